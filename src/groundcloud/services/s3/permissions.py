"""May the caller do this to that bucket or object? Policies first, then the ACL, as S3 does.

Operations of this room are `public` to the kernel and ask here, because the bucket must be known first (whose it is, its policy, its ACL), and because a
missing bucket is told before a missing permission. The owner's root passes without any evaluation.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Callable
from typing import Any

from groundcloud.auth import policy
from groundcloud.base.errors import AwsError
from groundcloud.http import hosts
from groundcloud.kernel import authorization
from groundcloud.kernel.call import Call
from groundcloud.services.s3 import errors
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, Bucket, Version, canonical_id
from groundcloud.store import Transaction

Context = Callable[[], dict[str, Any]]

ALL_USERS = "uri:http://acs.amazonaws.com/groups/global/AllUsers"
LOG_DELIVERY = "uri:http://acs.amazonaws.com/groups/s3/LogDelivery"
AUTHENTICATED_USERS = "uri:http://acs.amazonaws.com/groups/global/AuthenticatedUsers"

BUCKET_PERMISSIONS = {
    "s3:ListBucket": "READ",
    "s3:ListBucketVersions": "READ",
    "s3:ListBucketMultipartUploads": "READ",
    "s3:PutObject": "WRITE",
    "s3:DeleteObject": "WRITE",
    "s3:GetBucketAcl": "READ_ACP",
    "s3:PutBucketAcl": "WRITE_ACP",
}
OBJECT_PERMISSIONS = {
    "s3:GetObject": "READ",
    "s3:GetObjectVersion": "READ",
    "s3:GetObjectAcl": "READ_ACP",
    "s3:GetObjectVersionAcl": "READ_ACP",
    "s3:PutObjectAcl": "WRITE_ACP",
    "s3:PutObjectVersionAcl": "WRITE_ACP",
}
"""Action -> the ACL permission that allows it. AWS: "Mapping of ACL permissions and access policy permissions"."""


def open_bucket(
    call: Call,
    tx: Transaction,
    request: dict[str, Any],
    action: str,
    key: str | None = None,
    *,
    context: Context | None = None,
    grants: Callable[[], Version | None] | None = None,
) -> Bucket:
    """The request's bucket, once the caller may do `action` on it (or on `key` in it). Raises NoSuchBucket, AccessDenied.

    `grants` gives the object whose ACL counts, where the action reads one.
    """
    bucket = find_bucket(call, tx, request)
    expected = request.get("ExpectedBucketOwner")
    if expected is not None and expected != bucket.account:
        raise unexpected_owner(expected)
    require(call, bucket, action, key, context=context, grants=grants)
    return bucket


def unexpected_owner(expected: str) -> errors.S3Error:
    """What is said of an expected owner that is not the bucket's."""
    return errors.access_denied() if len(expected) == 12 and expected.isdigit() else errors.invalid_account_id(expected)


def find_bucket(call: Call, tx: Transaction, request: dict[str, Any], *, anywhere: bool = False) -> Bucket:
    """The bucket of that name, or behind the access point of that name; then the request says the bucket's. Raises NoSuchBucket, NoSuchAccessPoint,
    MethodNotAllowed for an operation that access points do not have. `anywhere`: it is not the bucket for which the request is signed (a copy's source)."""
    name = request["Bucket"]
    bucket = BUCKETS.get(tx, name)
    if bucket is not None:
        if bucket.region != call.region and call.http is not None and not anywhere:
            _check_region(call, bucket)
        return bucket
    from groundcloud.services.s3 import access_points

    bucket = access_points.bucket_of(tx, name, call.region)
    if bucket is None:
        if not _ADDRESSABLE.fullmatch(name):
            raise errors.invalid_bucket_name(name)
        raise errors.no_such_bucket(name)
    if call.operation not in access_points.ALLOWED:
        raise errors.method_not_allowed(call.http.method if call.http is not None else "", "ACCESS_POINT")
    request["Bucket"] = bucket.bucket_name
    return bucket


_ADDRESSABLE = re.compile(r"[A-Za-z0-9._-]{3,255}|[a-z0-9-]+\.mrap|arn:.*")
"""What a bucket may ever have been called: us-east-1 once took capitals, underscores and up to 255 characters."""


def _check_region(call: Call, bucket: Bucket) -> None:
    """A signature names the bucket's region, or SDKs are told which it is. Raises AuthorizationHeaderMalformed, AuthorizationQueryParametersError,
    PermanentRedirect where a host name says another region.

    AWS: "Making requests to Amazon S3": a bucket's location alone may be asked for in us-east-1.
    """
    http = call.http
    assert http is not None
    if call.operation in _REGIONLESS or call.principal.kind == "anonymous":
        return
    if hosts.parse(http.host).region == call.region:
        # Signed for the endpoint that it went to, which is not the bucket's.
        raise errors.permanent_redirect(bucket.bucket_name, bucket.region)
    if http.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
        raise errors.wrong_region(call.region, bucket.region, presigned=False)
    if "X-Amz-Credential" in http.query_string:
        raise errors.wrong_region(call.region, bucket.region, presigned=True)


_REGIONLESS = frozenset(("GetBucketLocation", "CreateBucket"))


def require(
    call: Call,
    bucket: Bucket,
    action: str,
    key: str | None = None,
    *,
    context: Context | None = None,
    grants: Callable[[], Version | None] | None = None,
) -> None:
    """Raises AccessDenied unless the caller may."""
    principal = call.principal
    if not bucket.policy and principal.kind == "root" and principal.account == bucket.account and not bucket.point:
        call.resource = f"arn:aws:s3:::{bucket.bucket_name}"
        return
    denial = denial_of(call, bucket, action, key, context=context, grants=grants)
    if denial is not None:
        raise denial


def check_owner(call: Call, bucket: Bucket, action: str, version: Version) -> None:
    """What others own in his bucket, its owner's account reads as far as its ACL grants. Raises AccessDenied.

    AWS: "How Amazon S3 authorizes a request for an object operation".
    """
    if bucket.ownership == "BucketOwnerEnforced" or call.principal.account != bucket.account or action not in OBJECT_PERMISSIONS:
        return
    grantees = {f"id:{canonical_id(bucket.account)}"}
    if not _block(call, bucket)[1]:
        grantees |= {ALL_USERS, AUTHENTICATED_USERS}
    wanted = (OBJECT_PERMISSIONS[action], "FULL_CONTROL")
    if not any(grantee in grantees and held in wanted for grantee, held in version.grants):
        raise errors.access_denied()


def writes_by_acl(call: Call, bucket: Bucket) -> bool:
    """Whether the bucket's ACL alone lets the caller write: what he writes is his, and its ACL his to say."""
    return not bucket.policy and _acl_allows(call, bucket, "s3:PutObject", None, None)


def permitted(call: Call, bucket: Bucket, action: str, key: str | None = None, *, context: Context | None = None) -> bool:
    principal = call.principal
    if not bucket.policy and principal.kind == "root" and principal.account == bucket.account and not bucket.point:
        return True
    return denial_of(call, bucket, action, key, context=context) is None


def denial_of(
    call: Call,
    bucket: Bucket,
    action: str,
    key: str | None = None,
    *,
    context: Context | None = None,
    grants: Callable[[], Version | None] | None = None,
) -> AwsError | None:
    """None if allowed; the error that says no otherwise."""
    arn = f"arn:aws:s3:::{bucket.bucket_name}" if key is None else f"arn:aws:s3:::{bucket.bucket_name}/{key}"
    call.resource = call.resource or arn
    facts = request_context(call)
    facts["s3:ResourceAccount"] = bucket.account
    if context is not None:
        facts.update(context())
    principal = call.principal
    if "request-payment" in bucket.configured and not _pays(call, bucket):
        return errors.access_denied()
    if "abac" in bucket.configured:
        for tag in (CONFIGURATIONS.get(call.reading(), bucket.bucket_name, "tagging", "") or {}).get("TagSet", ()):
            facts[f"aws:ResourceTag/{tag['Key']}"] = facts[f"s3:BucketTag/{tag['Key']}"] = tag["Value"]
    if bucket.point:
        facts.update(_facts_of_point(call, bucket))
        at_point = _decision_at_point(call, bucket, action, key, facts)
        if at_point is not None and not at_point.allowed:
            return _denial(call, bucket, at_point)
    document = _unrestricted(call, bucket.policy, restricted=principal.account != bucket.account and _block(call, bucket)[3])
    decision = authorization.decide(call, action, arn, facts, lambda _call, _arn: document, bucket.account)
    if decision is None or decision.allowed:
        return None
    if (
        decision.kind == "implicit deny"
        and decision.policy_kind not in ("boundary", "session")
        and _acl_allows(call, bucket, action, key, grants)
    ):
        return None
    if bucket.point and decision.kind == "implicit deny" and principal.account == bucket.account:
        # Whom an identity policy lets through the point it lets into the bucket of the same account.
        facts_at_point = _decision_at_point(call, bucket, action, key, facts, with_policy=False)
        if facts_at_point is None or facts_at_point.allowed:
            return None
    return _denial(call, bucket, decision)


def _pays(call: Call, bucket: Bucket) -> bool:
    """Of a bucket whose requesters pay: whether the caller is its owner or says that it pays. AWS: "Using Requester Pays general purpose buckets"."""
    principal, http = call.principal, call.http
    if principal.account == bucket.account or principal.kind == "service":
        return True
    if http is None or principal.kind == "anonymous":
        return False
    return http.headers.get("x-amz-request-payer") == "requester" or http.query.get("x-amz-request-payer") == ["requester"]


def _denial(call: Call, bucket: Bucket, decision: policy.Decision) -> AwsError:
    principal = call.principal
    if principal.kind == "anonymous" or (principal.account and principal.account != bucket.account):
        return errors.access_denied()
    return authorization.denied(call, policy.sentence(decision))


def _block(call: Call, bucket: Bucket) -> tuple[bool, bool, bool, bool]:
    from groundcloud.services.s3.access_points import block_of

    return block_of(call.reading(), bucket)


def _unrestricted(call: Call, document: str, *, restricted: bool) -> str | None:
    """A policy as far as it counts. RestrictPublicBuckets: a public one lets in the owner's account and services alone."""
    if not document:
        return None
    if restricted and call.principal.kind != "service":
        from groundcloud.services.s3.policies import is_public

        if is_public(document):
            return None
    return document


def _facts_of_point(call: Call, bucket: Bucket) -> dict[str, Any]:
    from groundcloud.services.s3.access_points import POINTS

    _, _, _, region, account, name = bucket.point.split(":", 5)
    point = POINTS.get(call.reading(), account, region, name.removeprefix("accesspoint/"))
    return {
        "s3:DataAccessPointArn": bucket.point,
        "s3:DataAccessPointAccount": account,
        "s3:AccessPointNetworkOrigin": "VPC" if point is not None and point.vpc_id else "Internet",
    }


def _decision_at_point(
    call: Call, bucket: Bucket, action: str, key: str | None, facts: dict[str, Any], *, with_policy: bool = True
) -> policy.Decision | None:
    """What the access point says of a call through it."""
    from groundcloud.services.s3.access_points import POINTS

    _, _, _, region, account, name = bucket.point.split(":", 5)
    point = POINTS.get(call.reading(), account, region, name.removeprefix("accesspoint/"))
    document = None
    if point is not None and with_policy:
        document = _unrestricted(call, point.policy, restricted=call.principal.account != account and point.access_block[3])
    arn = bucket.point if key is None else f"{bucket.point}/object/{key}"
    return authorization.decide(call, action, arn, facts, lambda _call, _arn: document, account)


def _acl_allows(call: Call, bucket: Bucket, action: str, key: str | None, grants: Callable[[], Version | None] | None) -> bool:
    """What the ACL of the bucket or object grants to this caller beside the owner."""
    if bucket.ownership == "BucketOwnerEnforced":
        return False
    permission = BUCKET_PERMISSIONS.get(action)
    granted: tuple[tuple[str, str], ...] = ()
    if permission is not None:
        granted = bucket.grants
    else:
        permission = OBJECT_PERMISSIONS.get(action)
        version = grants() if grants is not None and permission is not None else None
        if version is None or permission is None:
            return False
        granted = version.grants
    principal = call.principal
    grantees = set()
    if not _block(call, bucket)[1]:
        grantees.add(ALL_USERS)
        if principal.kind not in ("anonymous", "service"):
            grantees.add(AUTHENTICATED_USERS)
    if principal.kind == "service" and principal.arn == "logging.s3.amazonaws.com":
        grantees.add(LOG_DELIVERY)
    # An account that is granted something passes it on by its own policies; its root needs none.
    if principal.kind == "root" and principal.account != bucket.account:
        grantees.add(f"id:{canonical_id(principal.account)}")
    return any(grantee in grantees and held in (permission, "FULL_CONTROL") for grantee, held in granted)


def request_context(call: Call) -> dict[str, Any]:
    """S3's condition keys that come straight from the request. AWS: "Actions, resources, and condition keys for Amazon S3"."""
    http = call.http
    if http is None:
        return {}
    facts: dict[str, Any] = {
        f"s3:{name}": value for name, value in http.headers.items() if name.startswith("x-amz-") and name not in _NOT_KEYS
    }
    query = http.query_string
    older = "Signature=" in query and "X-Amz-Signature" not in query
    facts["s3:signatureversion"] = "AWS" if older else "AWS4-HMAC-SHA256"
    facts["s3:authType"] = "POST" if call.operation == "s3-form" else "REST-QUERY-STRING" if "Signature=" in query else "REST-HEADER"
    facts["s3:ObjectCreationOperation"] = "true" if call.operation in _CREATING else "false"
    if http.scheme == "https":
        facts["s3:TlsVersion"] = "1.3"
    if call.principal.kind != "anonymous":
        signed = http.query["X-Amz-Date"][0] if "X-Amz-Date" in query else http.headers.get("x-amz-date", "")
        facts.update(_age(call, signed))
    for header, name in _LOCK_KEYS.items():
        if header in http.headers:
            facts[name] = http.headers[header]
    if "x-amz-object-lock-retain-until-date" in http.headers:
        facts.update(remaining(call, http.headers["x-amz-object-lock-retain-until-date"]))
    if http.query_string:
        for name in ("prefix", "delimiter", "max-keys", "versionId"):
            if name in http.query_string and name in http.query:
                facts["s3:VersionId" if name == "versionId" else f"s3:{name}"] = http.query[name][0]
    tagging = http.headers.get("x-amz-tagging")
    if tagging:
        from groundcloud.services.s3.tags import parse_header

        try:
            tags = parse_header(tagging)
        except AwsError:
            return facts
        facts["s3:RequestObjectTagKeys"] = list(tags)
        facts.update({f"s3:RequestObjectTag/{name}": value for name, value in tags.items()})
    return facts


def _age(call: Call, signed: str) -> dict[str, str]:
    """How old a signature is, in milliseconds."""
    try:
        signed_s = timegm((int(signed[:4]), int(signed[4:6]), int(signed[6:8]), int(signed[9:11]), int(signed[11:13]), int(signed[13:15])))
    except ValueError:
        return {}
    return {"s3:signatureAge": str(max(int((call.clock.aged_s(signed_s) - signed_s) * 1000), 0))}


def remaining(call: Call, until: str | float) -> dict[str, str]:
    """For how many days an object is to be retained."""
    from groundcloud.wire.timestamps import parse

    try:
        until_s = parse(until) if isinstance(until, str) else until
    except ValueError:
        return {}
    return {"s3:object-lock-remaining-retention-days": str(max(-int((call.now_s - until_s) // 86_400), 0))}


_CREATING = frozenset(("PutObject", "CopyObject", "CompleteMultipartUpload", "s3-form"))
_LOCK_KEYS = {
    "x-amz-object-lock-mode": "s3:object-lock-mode",
    "x-amz-object-lock-retain-until-date": "s3:object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold",
    "if-match": "s3:if-match",
    "if-none-match": "s3:if-none-match",
}
_NOT_KEYS = {"x-amz-date", "x-amz-security-token", "x-amz-tagging", "x-amz-user-agent"}


def policy_of_arn(call: Call, arn: str) -> str | None:
    """The bucket policy on a bucket or object, for whoever else asks the kernel about one."""
    name = arn.removeprefix("arn:aws:s3:::").partition("/")[0]
    bucket = BUCKETS.get(call.reading(), name)
    return bucket.policy or None if bucket is not None else None
