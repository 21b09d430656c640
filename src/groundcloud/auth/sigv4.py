"""AWS Signature Version 4, the server's side: read a signature from a request, and verify it.

Header form, presigned form, SigV4a (ECDSA; see `sigv4a`); SigV2 is refused by name. The body is the caller's: it passes the
payload hash to verify with and compares the real one. Caches hold derived keys and parsed credentials; all are bounded
and may be dropped at any time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Mapping
from functools import lru_cache
from time import gmtime, strftime
from typing import Literal, NamedTuple
from urllib.parse import unquote_plus

from groundcloud.auth.canonical import S3_SERVICES, UNSIGNED_PAYLOAD, canonical_query, canonical_request, octets
from groundcloud.auth.refusals import SignatureError

HMAC = "AWS4-HMAC-SHA256"
ECDSA = "AWS4-ECDSA-P256-SHA256"

EXPIRES_S_MAX = 604_800  # AWS: X-Amz-Expires, one week
SKEW_S3_S = 900  # AWS: S3's MaxAllowedSkewMilliseconds
SKEW_S = 300  # AWS: "Signature expired ... - 5 min."
SIGNED_HEADERS_MAX = 200  # ours; S3 takes 8 KB of headers in all
AUTHORIZATION_CHARS_MAX = 8192  # ours, with room for long session tokens in queries
SIGNING_KEYS_MAX = 4096
CREDENTIALS_MAX = 1024

PayloadForm = Literal["absent", "hash", "unsigned", "chunked", "chunked-trailer", "unsigned-chunked-trailer", "invalid"]

_FORMS: dict[str, PayloadForm] = {
    UNSIGNED_PAYLOAD: "unsigned",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": "chunked",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": "chunked-trailer",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD": "chunked",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER": "chunked-trailer",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": "unsigned-chunked-trailer",
}


class Signature(NamedTuple):
    """What a request says about who signed it; nothing here is proven before `verify`."""

    algorithm: str  # HMAC or ECDSA
    access_key_id: str
    date: str  # YYYYMMDD, of the scope
    region: str  # SigV4a: the region set as sent, such as "us-east-1,eu-*" or "*"
    service: str
    signed_headers: tuple[str, ...]
    signature: str  # hexadecimal
    timestamp: str  # YYYYMMDDThhmmssZ
    signed_s: int  # the timestamp, in seconds since the epoch
    session_token: str | None
    expires_s: int | None  # presigned: X-Amz-Expires
    presigned: bool
    payload_hash: str | None  # x-amz-content-sha256 as sent; presigned S3: UNSIGNED-PAYLOAD where absent

    @property
    def s3(self) -> bool:
        return self.service in S3_SERVICES

    @property
    def scope(self) -> str:
        if self.algorithm == ECDSA:
            return f"{self.date}/{self.service}/aws4_request"
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    def payload_form(self) -> PayloadForm:
        value = self.payload_hash
        if value is None:
            return "absent"
        return _FORMS.get(value) or ("hash" if _is_sha256(value) else "invalid")

    def chunked(self) -> bool:
        """The body is aws-chunked: decode it with `chunked.ChunkedDecoder`."""
        return self.payload_hash is not None and self.payload_hash.startswith("STREAMING-")


def parse_authorization(headers: Mapping[str, str], raw_query: str) -> Signature | None:
    """The signature that a request carries, or None if it carries none. Raises SignatureError."""
    authorization = headers.get("authorization")
    if not authorization:
        if "X-Amz-" in raw_query:
            return _parse_presigned(headers, raw_query)
        if "AWSAccessKeyId=" in raw_query and "Signature=" in raw_query:
            raise SignatureError("sigv2")
        return None
    if raw_query and ("X-Amz-Signature=" in raw_query or "X-Amz-Algorithm=" in raw_query):
        raise SignatureError("two-mechanisms", authorization=authorization)
    # One client sends the same credential and header list all day: all but the signature is parsed once.
    prefix, found, tail = authorization.rpartition("Signature=")
    if not found or len(authorization) > AUTHORIZATION_CHARS_MAX or "," in tail:
        prefix, tail = _reordered(authorization)
    algorithm, access_key_id, date, region, service, signed_headers = _parse_prefix(prefix)
    timestamp = headers.get("x-amz-date")
    if timestamp is None:
        timestamp = _timestamp_of_date_header(headers, authorization)
    if timestamp[:8] != date:
        raise SignatureError("wrong-date", scope_date=date, timestamp=timestamp)
    if algorithm == ECDSA:
        region = headers.get("x-amz-region-set", "")
        if "x-amz-region-set" not in signed_headers:
            raise SignatureError("headers-not-signed", headers="x-amz-region-set")
    signed_s = _epoch_s(timestamp)
    if signed_s is None:
        raise SignatureError("missing-date", authorization=authorization)
    return Signature(
        algorithm,
        access_key_id,
        date,
        region,
        service,
        signed_headers,
        tail.strip(),
        timestamp,
        signed_s,
        headers.get("x-amz-security-token"),
        None,
        False,
        headers.get("x-amz-content-sha256"),
    )


def verify(
    signature: Signature,
    secret: str,
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Mapping[str, str],
    payload_hash: str,
    now_s: float,
) -> None:
    """Returns if `secret` signed exactly this request and its time is right; raises SignatureError otherwise.

    `payload_hash` is what stands in the canonical request: `signature.payload_hash` where it is given, else the hexadecimal
    SHA-256 of the body. With payload_form "hash" the caller compares it with the body's own ("payload-mismatch"). S3 must be told
    x-amz-content-sha256, in a known form, and all of its x-amz- headers must be signed.
    """
    _check_time(signature, now_s)
    s3 = signature.service in S3_SERVICES
    signed_headers = signature.signed_headers
    if s3:
        form = signature.payload_form()
        if form == "absent":
            raise SignatureError("payload-hash-missing")
        if form == "invalid":
            raise SignatureError("payload-hash-invalid", value=signature.payload_hash or "")
        unsigned = [
            name
            for name in headers
            if name.startswith("x-amz-") and name not in signed_headers and not (signature.presigned and name == "x-amz-content-sha256")
        ]
        if unsigned:
            raise SignatureError("headers-not-signed", headers=", ".join(unsigned))
    if signature.presigned:
        raw_query = canonical_query(raw_query, without="X-Amz-Signature")
    canonical = canonical_request(s3, method, raw_path, raw_query, headers, signed_headers, payload_hash)
    string_to_sign = _string_to_sign(signature, canonical)
    if matches(signature, secret, string_to_sign, signature.signature):
        return
    if s3:
        # Some clients (botocore) sign the path letter by letter as sent, `%7E` or `+` included; it names the same object.
        literal = f"{method}\n{raw_path}\n" + canonical.split("\n", 2)[2]
        if literal != canonical and matches(signature, secret, _string_to_sign(signature, literal), signature.signature):
            return
    raise SignatureError(
        "mismatch",
        access_key_id=signature.access_key_id,
        canonical_request=canonical,
        string_to_sign=string_to_sign,
        signature=signature.signature,
    )


def _string_to_sign(signature: Signature, canonical: str) -> str:
    return f"{signature.algorithm}\n{signature.timestamp}\n{signature.scope}\n{hashlib.sha256(octets(canonical)).hexdigest()}"


def matches(signature: Signature, secret: str, string_to_sign: str, candidate: str) -> bool:
    """Whether `candidate` is the signature of `string_to_sign` under the key of `signature`'s scope. Takes constant time."""
    if signature.algorithm == ECDSA:
        from groundcloud.auth import sigv4a  # `cryptography` takes tens of milliseconds to import

        return sigv4a.matches(signature.access_key_id, secret, string_to_sign, candidate)
    key = signing_key(secret, signature.date, signature.region, signature.service)
    expected = hmac.digest(key, string_to_sign.encode(), "sha256").hex()
    return candidate.isascii() and hmac.compare_digest(expected, candidate)


@lru_cache(SIGNING_KEYS_MAX)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key derived for one day, region and service. AWS: "Derive a signing key"."""
    key = hmac.digest(b"AWS4" + secret.encode(), octets(date), "sha256")
    for part in (region, service, "aws4_request"):
        key = hmac.digest(key, octets(part), "sha256")
    return key


def timestamp_of(epoch_s: float) -> str:
    """20150830T123600Z"""
    return strftime("%Y%m%dT%H%M%SZ", gmtime(epoch_s))


def _check_time(signature: Signature, now_s: float) -> None:
    signed_s = signature.signed_s
    skew_s = SKEW_S3_S if signature.service in S3_SERVICES else SKEW_S
    expires_s = signature.expires_s
    if expires_s is not None:
        if now_s > signed_s + expires_s:
            expires = timestamp_of(signed_s + expires_s)
            raise SignatureError("presigned-expired", expires_s=str(expires_s), expires=expires, now=timestamp_of(now_s))
        if now_s < signed_s - skew_s:
            raise SignatureError("presigned-not-yet")
        return
    if -skew_s <= now_s - signed_s <= skew_s:
        return
    late = now_s > signed_s
    raise SignatureError(
        "expired" if late else "not-yet",
        timestamp=signature.timestamp,
        limit=timestamp_of(now_s - skew_s if late else now_s + skew_s),
        now=timestamp_of(now_s),
        minutes=str(skew_s // 60),
    )


@lru_cache(CREDENTIALS_MAX)
def _parse_prefix(prefix: str) -> tuple[str, str, str, str, str, tuple[str, ...]]:
    """(algorithm, access key id, date, region, service, signed headers) of the header up to its signature."""
    algorithm, _, rest = prefix.partition(" ")
    if algorithm not in (HMAC, ECDSA):
        raise SignatureError("sigv2") if algorithm == "AWS" else SignatureError("unsupported", authorization=prefix)
    parts = _parameters(rest)
    missing = [name for name in ("Credential", "SignedHeaders") if not parts.get(name)]
    if missing:
        raise _lacks(missing, prefix)
    names = tuple(parts["SignedHeaders"].lower().split(";"))
    _check_signed_headers(names)
    return (algorithm, *parse_credential(parts["Credential"], algorithm, False), names)


def _parameters(rest: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name:
            parts[name] = value.strip()
    return parts


def _lacks(missing: list[str], authorization: str) -> SignatureError:
    digest = hashlib.sha256(octets(authorization)).hexdigest()
    sentences = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
    return SignatureError(
        "incomplete",
        message=f"{sentences} (Hashed with SHA-256) Authorization={digest}",
        s3=f"the authorization header requires three components: Credential, SignedHeaders, and Signature. Missing: {', '.join(missing)}",
    )


_TOO_LONG = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"


def _reordered(authorization: str) -> tuple[str, str]:
    """A header whose signature does not stand last, or lacks, as (everything else, signature)."""
    algorithm, _, rest = authorization.partition(" ")
    if algorithm == "AWS" and ":" not in rest:
        raise SignatureError("malformed-sigv2", authorization=authorization[:256])
    if algorithm not in (HMAC, ECDSA):
        raise SignatureError("sigv2") if algorithm == "AWS" else SignatureError("unsupported", authorization=authorization[:256])
    if len(authorization) > AUTHORIZATION_CHARS_MAX:
        raise SignatureError("malformed-header", message="the header is too long.")
    parts = _parameters(rest)
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    if missing:
        raise _lacks(missing, authorization)
    return f"{algorithm} Credential={parts['Credential']},SignedHeaders={parts['SignedHeaders']},", parts["Signature"]


def _check_signed_headers(names: tuple[str, ...]) -> None:
    if "host" not in names and ":authority" not in names:
        raise SignatureError("host-not-signed")
    if len(names) > SIGNED_HEADERS_MAX:
        raise SignatureError("malformed-header", message="too many signed headers.")


_DATE = re.compile(r"[0-9]{8}").fullmatch
_is_sha256 = re.compile(r"[0-9a-f]{64}").fullmatch


def parse_credential(credential: str, algorithm: str, presigned: bool) -> tuple[str, str, str, str]:
    """(access key id, date, region, service). SigV4a's scope has no region. Raises SignatureError."""
    wanted = 4 if algorithm == ECDSA else 5
    parts = credential.rsplit("/", wanted - 1)
    flag = {"presigned": "1"} if presigned else {}
    if len(parts) != wanted or parts[-1] != "aws4_request" or not parts[0]:
        raise SignatureError("malformed-credential", credential=credential, **flag)
    if not _DATE(parts[1]):
        message = f'incorrect date format "{parts[1]}". This date in the credential must be in the format "yyyyMMdd".'
        if presigned:
            raise SignatureError("malformed-query", message=f"Error parsing the X-Amz-Credential parameter; {message}")
        raise SignatureError("malformed-header", message=message)
    return parts[0], parts[1], "" if algorithm == ECDSA else parts[2], parts[-2]


def _parse_presigned(headers: Mapping[str, str], raw_query: str) -> Signature | None:
    """AWS: "Authenticating Requests: Using Query Parameters"."""
    query: dict[str, str] = {}
    for part in raw_query.split("&"):
        name, _, value = part.partition("=")
        if name.startswith("X-Amz-"):
            query[name] = unquote_plus(value)
    if not ("X-Amz-Algorithm" in query or "X-Amz-Credential" in query or "X-Amz-Signature" in query):
        return None
    algorithm = query.get("X-Amz-Algorithm", HMAC)
    if algorithm not in (HMAC, ECDSA):
        raise SignatureError("malformed-query", message='X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
    required = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders"]
    s3_like = "/s3" in query.get("X-Amz-Credential", "/s3")
    if s3_like:
        required.append("X-Amz-Expires")
    missing = [name for name in required if not query.get(name)]
    if missing:
        message = (
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, "
            "X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
        if not s3_like:
            sentences = " ".join(f"AWS query-string parameters must include '{name}'." for name in missing)
            message = f"{sentences} Re-examine the query-string parameters."
        raise SignatureError("malformed-query", message=message)
    access_key_id, date, region, service = parse_credential(query["X-Amz-Credential"], algorithm, True)
    timestamp = query["X-Amz-Date"]
    signed_s = _epoch_s(timestamp)
    if signed_s is None:
        raise SignatureError("malformed-query", message="X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    if timestamp[:8] != date:
        raise SignatureError("wrong-date", scope_date=date, timestamp=timestamp, presigned="1")
    names = tuple(query["X-Amz-SignedHeaders"].lower().split(";"))
    _check_signed_headers(names)
    payload_hash = query.get("X-Amz-Content-Sha256") or headers.get("x-amz-content-sha256")
    if payload_hash is None and service in S3_SERVICES:
        payload_hash = UNSIGNED_PAYLOAD
    return Signature(
        algorithm,
        access_key_id,
        date,
        query.get("X-Amz-Region-Set", "") if algorithm == ECDSA else region,
        service,
        names,
        query["X-Amz-Signature"],
        timestamp,
        signed_s,
        query.get("X-Amz-Security-Token"),
        _expires_s(query["X-Amz-Expires"]) if "X-Amz-Expires" in query else SKEW_S3_S,
        True,
        payload_hash,
    )


def _expires_s(text: str) -> int:
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise SignatureError("malformed-query", message="X-Amz-Expires should be a number")
    expires_s = int(text)
    if expires_s < 0:
        raise SignatureError("malformed-query", message="X-Amz-Expires must be non-negative")
    if expires_s > EXPIRES_S_MAX:
        raise SignatureError("malformed-query", message=_TOO_LONG)
    return expires_s


_TIMESTAMP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z").fullmatch


@lru_cache(256)
def _epoch_s(timestamp: str) -> int | None:
    found = _TIMESTAMP(timestamp)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61 and year):
        return None
    return timegm((year, month, day, hour, minute, second, 0, 0, 0))


def _timestamp_of_date_header(headers: Mapping[str, str], authorization: str) -> str:
    """The Date header stands in where x-amz-date is absent: HTTP's form or ISO 8601's basic one."""
    date = headers.get("date", "")
    if _TIMESTAMP(date):
        return date
    from email.utils import mktime_tz, parsedate_tz  # heavy, and hardly any client needs it

    parsed = parsedate_tz(date)
    if parsed is None:
        raise SignatureError("missing-date", authorization=hashlib.sha256(octets(authorization)).hexdigest())
    try:
        return timestamp_of(mktime_tz(parsed))
    except (ValueError, OverflowError):
        raise SignatureError("missing-date", authorization=hashlib.sha256(octets(authorization)).hexdigest()) from None
