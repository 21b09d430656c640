"""Signature Version 2 of S3, in query strings and forms alone: SDKs still presign with it by default (boto3 in us-east-1).

AWS: "Signing and authenticating REST requests (AWS signature version 2)", "Query string request authentication alternative".
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from groundcloud.auth.refusals import SignatureError
from groundcloud.auth.sigv4 import timestamp_of

SUBRESOURCES = frozenset(
    [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    ]
)
"""Names of the query that belong to the resource which is signed."""


class QuerySignature(NamedTuple):
    access_key_id: str
    signature: str
    expires: str
    session_token: str | None
    query: Mapping[str, str]


def is_presigned(raw_query: str) -> bool:
    return "AWSAccessKeyId=" in raw_query and "Signature=" in raw_query and "X-Amz-" not in raw_query


def parse(raw_query: str) -> QuerySignature:
    """Raises SignatureError unless access key, signature and expiry are all there."""
    query = {}
    for field in raw_query.split("&"):
        name, _, value = field.partition("=")
        query[unquote_plus(name)] = unquote(value)
    if not query.get("AWSAccessKeyId") or not query.get("Signature") or not query.get("Expires", "").isdigit():
        raise SignatureError(
            "malformed-query", message="Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        )
    return QuerySignature(query["AWSAccessKeyId"], query["Signature"], query["Expires"], query.get("x-amz-security-token"), query)


def verify(signature: QuerySignature, secret: str, method: str, raw_path: str, headers: Mapping[str, str], now_s: float) -> None:
    """`raw_path` is `/bucket/key` as it was encoded. Raises SignatureError: presigned-expired, mismatch."""
    if int(signature.expires) < now_s:
        expires = timestamp_of(float(signature.expires))
        raise SignatureError("presigned-expired", expires_s=signature.expires, expires=expires, now=timestamp_of(now_s))
    text = string_to_sign(signature, method, raw_path, headers)
    if not hmac.compare_digest(mark(secret, text).encode(), signature.signature.replace(" ", "+").encode()):
        raise SignatureError(
            "mismatch", access_key_id=signature.access_key_id, string_to_sign=text, signature=signature.signature, canonical_request=""
        )


def string_to_sign(signature: QuerySignature, method: str, raw_path: str, headers: Mapping[str, str]) -> str:
    query = signature.query
    amz = {name: value.strip() for name, value in headers.items() if name.startswith("x-amz-")}
    amz.update({name: value for name, value in query.items() if name.startswith("x-amz-")})
    lines = [
        method,
        headers.get("content-md5") or query.get("content-md5", ""),
        headers.get("content-type") or query.get("content-type", ""),
        signature.expires,
        *[f"{name}:{amz[name]}" for name in sorted(amz)],
    ]
    named = [f"{name}={query[name]}" if query[name] else name for name in sorted(query) if name in SUBRESOURCES]
    return "\n".join(lines) + f"\n{raw_path}" + ("?" + "&".join(named) if named else "")


def mark(secret: str, text: str) -> str:
    """The signature of a text (of a request, or of a form's policy), in base64."""
    return b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()
