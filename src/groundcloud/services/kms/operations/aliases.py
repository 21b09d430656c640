"""Aliases: names for keys, that can be pointed elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.kms import access, errors, keys, managed, names, pages, state
from groundcloud.services.kms.limits import ALIASES_PER_KEY_MAX
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.state import ALIASES, ALIASES_OF_KEY, KEYS, Alias, put_alias

Request = dict[str, Any]

_NAME = re.compile(r"alias/[a-zA-Z0-9/_-]+").fullmatch


def _arn(call: Call, alias_name: str) -> str:
    return call.arn("kms", alias_name)


def _check_name(alias_name: str) -> None:
    if not alias_name.startswith("alias/"):
        raise errors.alias_prefix()
    if alias_name.startswith(managed.PREFIX):
        raise errors.alias_reserved()
    if not _NAME(alias_name):
        raise errors.invalid_alias_name(alias_name)


def _of_alias(call: Call, request: Request) -> Access:
    _check_name(request["AliasName"])
    return Access(f"kms:{call.operation}", _arn(call, request["AliasName"]), access.of_caller(call))


def _to_point(call: Call, request: Request) -> list[Access]:
    """The alias by the caller's policies; the key that it is to name, and the one that it names now, by theirs."""
    wanted = _of_alias(call, request)
    target_id = request["TargetKeyId"]
    if target_id.startswith("alias/") or ":alias/" in target_id:
        raise errors.alias_of_alias()
    if call.operation == "UpdateAlias":
        access.require(call, wanted.action, _current(call, request["AliasName"]), request)
    access.to_administer(call, {**request, "KeyId": target_id})
    return [wanted]


def _to_remove(call: Call, request: Request) -> list[Access]:
    wanted = _of_alias(call, request)
    access.require(call, wanted.action, _current(call, request["AliasName"]), request)
    return [wanted]


def _current(call: Call, alias_name: str) -> names.Place:
    """The key that an alias names. Raises NotFoundException."""
    alias = ALIASES.get(call.reading(), alias_name)
    if alias is None:
        raise errors.alias_not_found(_arn(call, alias_name))
    return names.place(call, alias.key_id)


@operation(access=_to_point)
def create_alias(call: Call, request: Request) -> Request:
    alias_name = request["AliasName"]
    if ALIASES.has(call.tx, alias_name):
        raise errors.alias_exists(_arn(call, alias_name))
    found = names.load_own(call, request["TargetKeyId"])
    _check_target(call, found)
    put_alias(call.tx, Alias(alias_name=alias_name, key_id=found.key.key_id, created_ms=call.now_ms, updated_ms=call.now_ms))
    return {}


@operation(access=_to_point)
def update_alias(call: Call, request: Request) -> Request:
    before = ALIASES.get(call.tx, request["AliasName"])
    if before is None:
        raise errors.alias_not_found(_arn(call, request["AliasName"]))
    found = names.load_own(call, request["TargetKeyId"])
    current = KEYS.get(call.tx, before.key_id)
    if current is not None and (current.spec == "SYMMETRIC_DEFAULT") != (found.key.spec == "SYMMETRIC_DEFAULT"):
        raise errors.validation("Alias cannot be updated to a key of a different type.")
    if current is not None and current.usage != found.key.usage:
        raise errors.validation("Alias cannot be updated to a key with a different key usage.")
    if before.key_id != found.key.key_id:
        _check_target(call, found)
    put_alias(call.tx, before.replace(key_id=found.key.key_id, updated_ms=call.now_ms), before)
    return {}


def _check_target(call: Call, found: Found) -> None:
    keys.require_kept(found)
    if sum(1 for _ in ALIASES_OF_KEY.keys(call.tx, found.key.key_id)) >= ALIASES_PER_KEY_MAX:
        raise errors.limit_exceeded(f"Aliases per KMS key limit of {ALIASES_PER_KEY_MAX} exceeded for {found.arn}")


@operation(access=_to_remove)
def delete_alias(call: Call, request: Request) -> Request:
    alias = ALIASES.get(call.tx, request["AliasName"])
    if alias is None:
        raise errors.alias_not_found(_arn(call, request["AliasName"]))
    state.delete_alias(call.tx, alias)
    return {}


@operation()
def list_aliases(call: Call, request: Request) -> Request:
    after, limit = pages.after(request), pages.limit_of(request, 50, 100)
    found: Iterable[Alias | None]
    if "KeyId" in request:
        key_id = names.load_own(call, request["KeyId"]).key.key_id
        found = (ALIASES.get(call.tx, name) for _, name in ALIASES_OF_KEY.keys(call.tx, key_id, after=after))
    else:
        found = ALIASES.scan(call.tx, after=after)
    return pages.page(
        "Aliases", (alias for alias in found if alias is not None), limit, lambda alias: alias.alias_name, lambda alias: _shown(call, alias)
    )


def _shown(call: Call, alias: Alias) -> Request:
    return {
        "AliasName": alias.alias_name,
        "AliasArn": _arn(call, alias.alias_name),
        "TargetKeyId": alias.key_id,
        "CreationDate": alias.created_ms / 1000,
        "LastUpdatedDate": alias.updated_ms / 1000,
    }
