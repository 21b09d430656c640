"""What a host name says: a service's endpoint, a bucket, an API, or nothing.

Accepted bases: localhost, localhost.localstack.cloud (which resolves to loopback for people who come from there), and AWS's own names, for clients
that are pointed here by a resolver or a proxy.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_BASE = r"(?:localhost|localhost\.localstack\.cloud|localhost\.groundcloud|amazonaws\.com|127\.0\.0\.1\.nip\.io)"
_REGION = r"(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)"
_PATTERNS = (
    ("execute-api", re.compile(rf"(?P<label>[a-z0-9]+)\.execute-api(?:\.{_REGION})?\.{_BASE}")),
    ("lambda-url", re.compile(rf"(?P<label>[a-z0-9]+)\.lambda-url(?:\.{_REGION})?\.(?:{_BASE}|on\.aws)")),
    ("s3-website", re.compile(rf"(?P<label>.+)\.s3-website[.-](?:{_REGION}\.)?{_BASE}")),
    ("s3", re.compile(rf"(?P<label>.+)\.s3(?:[.-]{_REGION})?(?:\.dualstack\.{_REGION.replace('region', 'region2')})?\.{_BASE}")),
    ("s3", re.compile(rf"(?P<label>.+)\.s3-accesspoint(?:\.dualstack)?(?:\.{_REGION})?\.{_BASE}")),
    ("cloudfront", re.compile(rf"(?P<label>[a-z0-9]+)\.cloudfront\.(?:{_BASE}|net)")),
    ("appsync-api", re.compile(rf"(?P<label>[a-z0-9]+)\.appsync-(?:api|realtime-api)(?:\.{_REGION})?\.{_BASE}")),
    # Last: SDKs put a bucket in front of any endpoint, and others a service's name; the signature tells which.
    ("localhost", re.compile(r"(?P<label>.+)\.localhost")),
)


class Host(NamedTuple):
    """`kind` is "s3", "execute-api", ... or "" for a plain endpoint; `label` is the bucket or API id."""

    kind: str
    label: str
    region: str


PLAIN = Host("", "", "")


@lru_cache(maxsize=4096)
def parse(header: str) -> Host:
    """From a Host header, port and case aside."""
    if header.startswith("["):
        return PLAIN
    name = header.rsplit(":", 1)[0].lower() if ":" in header else header.lower()
    if "." not in name or name.replace(".", "").isdigit():
        return PLAIN
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(name)
        if match is not None:
            found = match.groupdict()
            return Host(kind, match["label"], found.get("region") or found.get("region2") or "")
    return PLAIN
