"""Grants: create, list, retire, revoke."""

from __future__ import annotations

import re
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.kms import access, errors, grant_tokens, grants, keys, names, pages
from groundcloud.services.kms.grant_tokens import Token
from groundcloud.services.kms.limits import GRANTS_PER_KEY_MAX
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.specs import SYMMETRIC
from groundcloud.services.kms.state import GRANTED, GRANTS, KEYS, RETIRABLE, Grant, delete_grant, put_grant

Request = dict[str, Any]

_PRINCIPAL = re.compile(
    r"arn:aws[a-z-]*:iam::[0-9]{12}:(?:root|(?:user|role)/.+)|arn:aws[a-z-]*:sts::[0-9]{12}:(?:assumed-role|federated-user)/.+"
    r"|[a-z0-9.-]+\.amazonaws\.com"
).fullmatch
_GRANT_ID = re.compile(r"[0-9a-f]{64}").fullmatch


@operation(access=access.to_share)
def create_grant(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    keys.require_enabled(found)
    if tokens := request.get("GrantTokens"):
        grant_tokens.check(call, tokens)
    grant = _wanted(call, found, request)
    same = _same(found, grant) if grant.name else None
    if same is None and found.key.grant_count >= GRANTS_PER_KEY_MAX:
        raise errors.limit_exceeded(f"Grants per KMS key limit of {GRANTS_PER_KEY_MAX} exceeded for {found.arn}.")
    if request.get("DryRun"):
        raise errors.dry_run()
    if same is None:
        put_grant(found.tx, grant)
        found.put(found.key.replace(grant_count=found.key.grant_count + 1))
    grant_id = same or grant.grant_id
    return {"GrantToken": grant_tokens.issue(call, Token(found.tx.account, call.region, found.key.key_id, grant_id)), "GrantId": grant_id}


def _wanted(call: Call, found: Found, request: Request) -> Grant:
    """The grant that is asked for. Raises ValidationException, InvalidArnException."""
    constraints = request.get("Constraints") or {}
    by_service = "GranteeServicePrincipal" in request
    if by_service == ("GranteePrincipal" in request):
        raise errors.validation("You must specify either GranteePrincipal or GranteeServicePrincipal, but not both.")
    if "RetiringPrincipal" in request and "RetiringServicePrincipal" in request:
        raise errors.validation("You can specify either RetiringPrincipal or RetiringServicePrincipal, but not both.")
    if by_service and "SourceArn" not in constraints:
        raise errors.validation("A SourceArn grant constraint is required with GranteeServicePrincipal.")
    if by_service and not ("RetiringPrincipal" in request or "RetiringServicePrincipal" in request):
        raise errors.validation("RetiringPrincipal or RetiringServicePrincipal is required with GranteeServicePrincipal.")
    for member in ("GranteePrincipal", "RetiringPrincipal"):
        if member in request:
            _check_principal(call, request[member])
    operations = tuple(dict.fromkeys(request["Operations"]))
    if not operations:
        raise errors.validation("Operations must contain at least one grant operation.")
    allowed = grants.operations_of(found.key)
    for each in operations:
        if each not in allowed:
            raise errors.validation(f"Grant operation {each} is not valid for a KMS key with key spec {found.key.spec}.")
    equals, subset = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    if found.key.spec != SYMMETRIC and (equals is not None or subset is not None):
        raise errors.validation("Encryption context grant constraints are supported only on symmetric encryption KMS keys.")
    return Grant(
        key_id=found.key.key_id,
        grant_id=call.token(64),
        created_ms=call.now_ms,
        issuing_account=f"arn:aws:iam::{call.principal.account or call.account}:root",
        operations=operations,
        name=request.get("Name", ""),
        grantee=request.get("GranteePrincipal", ""),
        retiring=request.get("RetiringPrincipal", ""),
        grantee_service=request.get("GranteeServicePrincipal", ""),
        retiring_service=request.get("RetiringServicePrincipal", ""),
        subset=subset,
        equals=equals,
        source_arn=constraints.get("SourceArn", ""),
    )


def _check_principal(call: Call, principal: str) -> None:
    """An ARN, or a service. Roles of this account must be there."""
    missing = principal.startswith(f"arn:aws:iam::{call.account}:role/") and call.ground.directory.role(call.tx, principal) is None
    if missing or not _PRINCIPAL(principal):
        raise errors.invalid_principal(principal)


def _same(found: Found, wanted: Grant) -> str | None:
    """The id of a grant of that name and content, so that a retry makes no second one."""
    for key_id, _, grant_id in GRANTED.keys(found.tx, wanted.key_id, wanted.grantee or wanted.grantee_service):
        grant = GRANTS.get(found.tx, key_id, grant_id)
        if grant is not None and grant.replace(grant_id=wanted.grant_id, created_ms=wanted.created_ms) == wanted:
            return grant.grant_id
    return None


@operation(access=access.to_share)
def list_grants(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    grant_id, grantee = request.get("GrantId"), request.get("GranteePrincipal")
    service = request.get("GranteeServicePrincipal")
    if grant_id is not None and not _GRANT_ID(grant_id):
        raise errors.invalid_grant_id()
    listed = (
        grant
        for grant in GRANTS.scan(found.tx, found.key.key_id, after=pages.after(request))
        if (grant_id in (None, grant.grant_id) and grantee in (None, grant.grantee) and service in (None, grant.grantee_service))
    )
    limit = pages.limit_of(request, 50, 100)
    return pages.page("Grants", listed, limit, lambda grant: grant.grant_id, lambda grant: _shown(grant, found.arn))


def _to_list_retirable(call: Call, request: Request) -> list[Access]:
    return [Access("kms:ListRetirableGrants", request.get("RetiringPrincipal", "*"), access.of_caller(call))]


@operation(access=_to_list_retirable)
def list_retirable_grants(call: Call, request: Request) -> Request:
    principal = request.get("RetiringPrincipal") or request.get("RetiringServicePrincipal")
    if principal is None or ("RetiringPrincipal" in request and "RetiringServicePrincipal" in request):
        raise errors.validation("You must specify either RetiringPrincipal or RetiringServicePrincipal, but not both.")
    if not _PRINCIPAL(principal):
        raise errors.invalid_principal(principal)
    after = pages.after(request)
    place = tuple(after.split("/")) if after is not None else None
    if place is not None and len(place) != 3:
        raise errors.invalid_marker()
    limit = pages.limit_of(request, 50, 100)
    listed = (key[2:] for key in RETIRABLE.keys(call.tx, principal, call.region, after=place))
    return pages.page("Grants", listed, limit, "/".join, lambda place: _shown_at(call, *place))


def _shown_at(call: Call, account: str, key_id: str, grant_id: str) -> Request:
    grant = GRANTS.get(call.tx.at(account, call.region), key_id, grant_id)
    assert grant is not None, "the index is written with the grant"
    return _shown(grant, f"arn:aws:kms:{call.region}:{account}:key/{key_id}")


def _to_retire(call: Call, request: Request) -> list[Access]:
    """The retiring principal, the grantee if the grant says so, else who is allowed by the policies."""
    named, grant_id = _retired(call, request)
    grant = GRANTS.get(named.tx, named.key_id, grant_id)
    if grant is not None:
        call.resource = named.arn
        principal = call.principal
        if grants.means(grant.retiring, principal) or grants.means(grant.retiring_service, principal):
            return []
        if "RetireGrant" in grant.operations and grants.is_grantee(principal, grant):
            return []
    access.require(call, "kms:RetireGrant", named, request)
    return []


def _retired(call: Call, request: Request) -> tuple[names.Place, str]:
    """The key and the grant's id, by token or by both. Raises ValidationException unless exactly one way is taken."""
    text = request.get("GrantToken")
    if (text is not None) == ("GrantId" in request) or ("KeyId" in request) != ("GrantId" in request):
        raise errors.validation("You must specify either a grant token, or a key ARN and a grant ID.")
    if text is None:
        if not _GRANT_ID(request["GrantId"]):
            raise errors.invalid_grant_id()
        return names.place(call, request["KeyId"]), request["GrantId"]
    token = grant_tokens.read(call, text)
    if token.region != call.region:
        raise errors.invalid_grant_token()
    tx = call.reading().at(token.account, token.region)
    return names.Place(tx, token.account, token.key_id, "", KEYS.get(tx, token.key_id)), token.grant_id


@operation(access=_to_retire)
def retire_grant(call: Call, request: Request) -> Request:
    named, grant_id = _retired(call, request)
    if named.key is None:
        raise errors.key_not_found(named.arn)
    _remove(Found(named.tx, named.key, named.arn), grant_id, request)
    return {}


@operation(access=access.to_share)
def revoke_grant(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    if not _GRANT_ID(request["GrantId"]):
        raise errors.invalid_grant_id()
    _remove(found, request["GrantId"], request)
    return {}


def _remove(found: Found, grant_id: str, request: Request) -> None:
    grant = GRANTS.get(found.tx, found.key.key_id, grant_id)
    if grant is None:
        raise errors.grant_not_found(found.arn, grant_id)
    if request.get("DryRun"):
        raise errors.dry_run()
    delete_grant(found.tx, grant)
    found.put(found.key.replace(grant_count=found.key.grant_count - 1))


def _shown(grant: Grant, key_arn: str) -> Request:
    constraints = {
        "EncryptionContextSubset": grant.subset,
        "EncryptionContextEquals": grant.equals,
        "SourceArn": grant.source_arn or None,
    }
    return {
        "KeyId": key_arn,
        "GrantId": grant.grant_id,
        "Name": grant.name,
        "CreationDate": grant.created_ms / 1000,
        "GranteePrincipal": grant.grantee or None,
        "RetiringPrincipal": grant.retiring or None,
        "GranteeServicePrincipal": grant.grantee_service or None,
        "RetiringServicePrincipal": grant.retiring_service or None,
        "IssuingAccount": grant.issuing_account,
        "Operations": list(grant.operations),
        "Constraints": constraints if any(value is not None for value in constraints.values()) else None,
    }
