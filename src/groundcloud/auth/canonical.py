"""The canonical request of Signature Version 4: the text that client and server must write alike.

Apart from `sigv4` because signing, verifying and chunked uploads all build on it. Text is latin-1 for octets on the wire;
text with characters beyond latin-1 (as a client may hold it before sending) counts as UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote_from_bytes, unquote_to_bytes

# S3 signs the path as it is sent, once encoded; every other service normalises it and encodes it once more.
# AWS: "Create a signed AWS API request", step "CanonicalUri".
S3_SERVICES = frozenset(["s3", "s3-object-lambda", "s3-outposts", "s3express"])

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?").fullmatch
_PLAIN_S3_PATH = re.compile(r"/[A-Za-z0-9/._~-]*").fullmatch


def canonical_request(
    s3: bool, method: str, raw_path: str, raw_query: str, headers: Mapping[str, str], signed_headers: Iterable[str], payload_hash: str
) -> str:
    """`signed_headers` are lower-case names in the order that the signature lists them; an absent header counts as empty."""
    lines = [method, raw_path if raw_path == "/" else canonical_path(raw_path, s3), canonical_query(raw_query) if raw_query else ""]
    for name in signed_headers:
        value = headers.get("host" if name == ":authority" else name, "")  # HTTP/2's name for it, signed by JavaScript's SDK
        # Nearly every value is trimmed and single-spaced already; str.split on each would double the cost.
        if "  " in value or (value and (value[0] in " \t\r\n" or value[-1] in " \t\r\n")) or "\n" in value:
            value = " ".join(value.split())
        lines.append(f"{name}:{value}")
    lines.append("")
    lines.append(";".join(signed_headers))
    lines.append(payload_hash)
    return "\n".join(lines)


def canonical_path(raw_path: str, s3: bool) -> str:
    """The path as it is signed. `raw_path` is as on the wire, percent-encoded once."""
    if s3:
        if _PLAIN_S3_PATH(raw_path):
            return raw_path
        return quote_from_bytes(unquote_to_bytes(octets(raw_path)), safe="/-_.~") or "/"
    if _PLAIN_PATH(raw_path):
        return raw_path
    return quote_from_bytes(octets(normalised(raw_path)), safe="/-_.~")


def normalised(path: str) -> str:
    """Without `.`, `..` and empty segments. RFC 3986, section 6.2.2.3, with slashes collapsed."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    closed = bool(kept) and segments[-1] in ("", ".", "..")
    return "/" + "/".join(kept) + ("/" if closed else "")


def canonical_query(raw_query: str, without: str | None = None) -> str:
    """Parameters decoded, encoded again by RFC 3986, and sorted; `without` leaves out one name (X-Amz-Signature)."""
    pairs: list[tuple[str, str]] = []
    for part in raw_query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        if name == without:
            continue
        pairs.append((_component(name), _component(value)))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs])


_PLAIN_COMPONENT = re.compile(r"[A-Za-z0-9._~-]*").fullmatch


def _component(text: str) -> str:
    if _PLAIN_COMPONENT(text):
        return text
    # AWS reads a plus sign in a query as a space.
    return quote_from_bytes(unquote_to_bytes(octets(text.replace("+", " "))), safe="-_.~")


def octets(text: str) -> bytes:
    """The octets that `text` stands for."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
