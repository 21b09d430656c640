"""What a KeyId may be: a key id, a key ARN, and for some operations an alias name or an alias ARN. Source: API reference, parameter KeyId."""

from __future__ import annotations

import re
from typing import NamedTuple

from groundcloud.kernel.call import Call
from groundcloud.services.kms import errors, managed
from groundcloud.services.kms.state import ALIASES, KEYS, Key
from groundcloud.store import Transaction

_KEY_ID = re.compile(r"mrk-[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]+").fullmatch


class Place(NamedTuple):
    """A key that was named, there or not. `tx` sees it from its own account; `alias` is the alias's name where it was named by one."""

    tx: Transaction
    account: str
    key_id: str
    alias: str
    key: Key | None

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{self.tx.region}:{self.account}:key/{self.key_id}"


class Found(NamedTuple):
    """A key that is there, the transaction seen from its account, and its ARN."""

    tx: Transaction
    key: Key
    arn: str

    def put(self, key: Key) -> None:
        KEYS.put(self.tx, key)


def place(call: Call, key_id: str, aliases: bool = False) -> Place:
    """Raises NotFoundException for what is no key id or an alias that is not there, InvalidArnException."""
    tx, account, resource = call.reading(), call.account, key_id
    if key_id.startswith("arn:"):
        parts = key_id.split(":", 5)
        if len(parts) != 6 or parts[2] != "kms":
            raise errors.invalid_arn(key_id)
        if parts[3] != call.region:
            raise errors.arn_of_other_region(parts[3])
        account, resource = parts[4], parts[5]
        if resource.startswith("key/"):
            resource = resource[4:]
        elif not resource.startswith("alias/"):
            raise errors.invalid_arn(key_id)
        if account != tx.account:
            tx = tx.at(account, call.region)
    if resource.startswith("alias/"):
        if not aliases:
            raise errors.invalid_key_id(key_id)
        return _of_alias(call, tx, account, resource)
    if not _KEY_ID(resource):
        raise errors.invalid_key_id(key_id)
    return Place(tx, account, resource, "", KEYS.get(tx, resource))


def _of_alias(call: Call, tx: Transaction, account: str, alias_name: str) -> Place:
    alias = ALIASES.get(tx, alias_name) if _ALIAS(alias_name) else None
    if alias is not None:
        return Place(tx, account, alias.key_id, alias_name, KEYS.get(tx, alias.key_id))
    service = managed.service_of(alias_name)
    if service is None or account != call.account:
        raise errors.alias_not_found(f"arn:aws:kms:{tx.region}:{account}:{alias_name}")
    key = managed.make(call, service)
    return Place(tx, account, key.key_id, alias_name, key)


def load(call: Call, key_id: str, aliases: bool = True) -> Found:
    """The key that is named. The caller's permission for it has been checked (`access`). Raises NotFoundException."""
    named = place(call, key_id, aliases)
    if named.key is None:
        raise errors.key_not_found(named.arn)
    return Found(named.tx, named.key, named.arn)


def load_own(call: Call, key_id: str) -> Found:
    """The same where aliases are not taken."""
    return load(call, key_id, False)


def in_region(found: Found, region: str) -> Found:
    """The related key of a multi-Region key."""
    tx = found.tx.at(found.tx.account, region)
    key = KEYS.get(tx, found.key.key_id)
    assert key is not None, "a multi-Region key is in each of its regions"
    return Found(tx, key, f"arn:aws:kms:{region}:{tx.account}:key/{key.key_id}")
