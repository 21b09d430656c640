"""Access control lists: canned ones, grant headers and documents, to (grantee, permission) pairs and back. AWS: "Access control list (ACL) overview".

No pairs at all is the ACL of everything new: its owner has FULL_CONTROL, nobody else anything.
"""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.s3 import errors
from groundcloud.services.s3.access_points import block_of
from groundcloud.services.s3.permissions import ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY
from groundcloud.services.s3.state import Bucket, canonical_id

Grants = tuple[tuple[str, str], ...]

GROUPS = {ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY}
GRANTS_MAX = 100
NOBODY: Grants = (("nobody:", ""),)
"""An ACL that grants nobody anything, which its owner can still change."""

_HEADERS = {
    "GrantFullControl": "FULL_CONTROL",
    "GrantRead": "READ",
    "GrantReadACP": "READ_ACP",
    "GrantWrite": "WRITE",
    "GrantWriteACP": "WRITE_ACP",
}
_GRANTEE_KINDS = {"id": "id", "uri": "uri", "emailaddress": "email"}


def grants_of_request(request: dict[str, Any], owner_account: str, bucket_account: str) -> Grants:
    """From `ACL` and the grant headers. Empty for a private ACL. Raises InvalidRequest, InvalidArgument."""
    canned = request.get("ACL")
    given = [name for name in _HEADERS if name in request]
    if canned and given:
        raise errors.invalid_request("Specifying both Canned ACLs and Header Grants is not allowed")
    if given:
        return tuple(pair for name in given for pair in _of_header(name, request[name]))
    return canned_grants(canned or "private", owner_account, bucket_account)


def canned_grants(canned: str, owner_account: str, bucket_account: str) -> Grants:
    owner = (f"id:{canonical_id(owner_account)}", "FULL_CONTROL")
    bucket_owner = f"id:{canonical_id(bucket_account)}"
    if canned in ("private", "bucket-owner-full-control", "bucket-owner-read") and owner_account == bucket_account:
        return ()
    others: dict[str, Grants] = {
        "private": (),
        "public-read": ((ALL_USERS, "READ"),),
        "public-read-write": ((ALL_USERS, "READ"), (ALL_USERS, "WRITE")),
        "authenticated-read": ((AUTHENTICATED_USERS, "READ"),),
        "aws-exec-read": (),
        "bucket-owner-read": ((bucket_owner, "READ"),),
        "bucket-owner-full-control": ((bucket_owner, "FULL_CONTROL"),),
        "log-delivery-write": ((LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")),
    }
    if canned not in others:
        raise errors.invalid_argument("", "x-amz-acl", canned)
    return (owner, *others[canned])


def grants_of_document(document: dict[str, Any]) -> Grants:
    """Of an AccessControlPolicy. Raises MalformedACLError, InvalidArgument."""
    if not (document.get("Owner") or {}).get("ID") or document.get("Grants") is None:
        raise errors.malformed_acl()
    if len(document["Grants"]) > GRANTS_MAX:
        raise errors.malformed_acl()
    found = []
    for grant in document["Grants"]:
        grantee = grant.get("Grantee") or {}
        permission = grant.get("Permission")
        if permission is None:
            raise errors.malformed_acl()
        if grantee.get("ID"):
            found.append((_checked(f"id:{grantee['ID']}", "CanonicalUser/ID"), permission))
        elif grantee.get("URI"):
            found.append((_checked(f"uri:{grantee['URI']}", "Group/URI"), permission))
        elif grantee.get("EmailAddress"):
            found.append((_checked(f"email:{grantee['EmailAddress']}", ""), permission))
        else:
            raise errors.malformed_acl()
    return tuple(found) or NOBODY


def document_of(grants: Grants, owner_account: str) -> dict[str, Any]:
    """`Owner` and `Grants` as the API gives them."""
    owner = {"ID": canonical_id(owner_account)}
    pairs = grants or ((f"id:{owner['ID']}", "FULL_CONTROL"),)
    found = []
    for grantee, permission in pairs:
        kind, _, name = grantee.partition(":")
        if kind == "nobody":
            continue
        if kind == "uri":
            one = {"Type": "Group", "URI": name}
        elif kind == "email":
            one = {"Type": "AmazonCustomerByEmail", "EmailAddress": name}
        else:
            one = {"Type": "CanonicalUser", "ID": name}
        found.append({"Grantee": one, "Permission": permission})
    return {"Owner": owner, "Grants": found}


def check_allowed(call: Call, bucket: Bucket, request: dict[str, Any], grants: Grants) -> None:
    """Object ownership and the public access block. Raises AccessControlListNotSupported, AccessDenied."""
    if bucket.ownership == "BucketOwnerEnforced":
        if any(name in request for name in _HEADERS) or request.get("ACL", "bucket-owner-full-control") != "bucket-owner-full-control":
            raise errors.acl_not_supported()
        return
    if is_public(grants) and block_of(call.reading(), bucket)[0]:
        raise errors.access_denied()


def is_public(grants: Grants) -> bool:
    return any(grantee in (ALL_USERS, AUTHENTICATED_USERS) for grantee, _ in grants)


def _of_header(member: str, text: str) -> Grants:
    found = []
    for item in text.split(","):
        kind, equals, value = item.strip().partition("=")
        name = _GRANTEE_KINDS.get(kind.strip().lower())
        if not equals or name is None:
            raise errors.invalid_argument("Argument format not recognized", f"x-amz-grant-{member[5:].lower()}", text)
        found.append((_checked(f"{name}:{value.strip().strip(chr(34))}", name), _HEADERS[member]))
    return tuple(found)


def _checked(grantee: str, argument_name: str) -> str:
    kind, _, name = grantee.partition(":")
    if kind == "uri" and grantee not in GROUPS:
        raise errors.invalid_argument("Invalid group uri", argument_name, name)
    if kind == "id" and not (len(name) == 64 and all(digit in "0123456789abcdef" for digit in name)):
        raise errors.invalid_argument("Invalid id", argument_name, name)
    if kind == "email":
        raise errors.S3Error(
            "UnresolvableGrantByEmailAddress",
            "The e-mail address you provided does not match any account on record.",
            400,
            {"EmailAddress": name},
        )
    return grantee
