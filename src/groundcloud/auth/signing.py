"""Signature Version 4, the client's side: our command line, the server's own calls and the tests sign with it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from groundcloud.auth.canonical import EMPTY_SHA256, S3_SERVICES, UNSIGNED_PAYLOAD, canonical_request, octets
from groundcloud.auth.sigv4 import HMAC, signing_key, timestamp_of


class Credentials(NamedTuple):
    access_key_id: str
    secret: str
    session_token: str | None = None


# Hops and libraries change these on the way. botocore: auth.SIGNED_HEADERS_BLACKLIST.
_NEVER_SIGNED = frozenset(["authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"])


def sign(
    credentials: Credentials,
    region: str,
    service: str,
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Mapping[str, str],
    body: bytes | None,
    now_s: float,
    payload_hash: str | None = None,
) -> dict[str, str]:
    """The headers to send: `headers` (lower-case names, `host` among them) with x-amz-date, the session token and authorization.

    `payload_hash` replaces the body's own: UNSIGNED-PAYLOAD or one of the STREAMING forms. S3 gets x-amz-content-sha256.
    """
    timestamp = timestamp_of(now_s)
    signed = dict(headers)
    signed["x-amz-date"] = timestamp
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    digest = payload_hash or (hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256)
    if service in S3_SERVICES or payload_hash:
        signed["x-amz-content-sha256"] = digest
    names = sorted(name for name in signed if name not in _NEVER_SIGNED)
    canonical = canonical_request(service in S3_SERVICES, method, raw_path, raw_query, signed, names, digest)
    scope = f"{timestamp[:8]}/{region}/{service}/aws4_request"
    text = string_to_sign(timestamp, scope, canonical)
    mark = hmac.digest(signing_key(credentials.secret, timestamp[:8], region, service), text.encode(), "sha256").hex()
    signed["authorization"] = f"{HMAC} Credential={credentials.access_key_id}/{scope}, SignedHeaders={';'.join(names)}, Signature={mark}"
    return signed


def presign(
    credentials: Credentials,
    region: str,
    service: str,
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Mapping[str, str],
    now_s: float,
    expires_s: int = 3600,
    payload_hash: str | None = None,
) -> str:
    """The query string to request with. `headers` (lower-case, `host` among them) must be sent as they are."""
    timestamp = timestamp_of(now_s)
    scope = f"{timestamp[:8]}/{region}/{service}/aws4_request"
    names = sorted(headers)
    added = {
        "X-Amz-Algorithm": HMAC,
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(expires_s),
        "X-Amz-SignedHeaders": ";".join(names),
    }
    if credentials.session_token:
        added["X-Amz-Security-Token"] = credentials.session_token
    query = "&".join([*([raw_query] if raw_query else []), *(f"{name}={quote(value, safe='-_.~')}" for name, value in added.items())])
    digest = payload_hash or (UNSIGNED_PAYLOAD if service in S3_SERVICES else EMPTY_SHA256)
    canonical = canonical_request(service in S3_SERVICES, method, raw_path, query, headers, names, digest)
    text = string_to_sign(timestamp, scope, canonical)
    mark = hmac.digest(signing_key(credentials.secret, timestamp[:8], region, service), text.encode(), "sha256").hex()
    return f"{query}&X-Amz-Signature={mark}"


def string_to_sign(timestamp: str, scope: str, canonical: str) -> str:
    return f"{HMAC}\n{timestamp}\n{scope}\n{hashlib.sha256(octets(canonical)).hexdigest()}"
