"""Names of buckets and keys. AWS: "General purpose bucket naming rules", "Object key naming guidelines"."""

from __future__ import annotations

import re

from groundcloud.services.s3 import errors

KEY_BYTES_MAX = 1024

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket_name(name: str, *, own_suffix: str = "") -> None:
    """Raises InvalidBucketName. `own_suffix`: what ends a name in the namespace of an account and region; others may not end so."""
    if not name.endswith(own_suffix) or len(name) == len(own_suffix) or (not own_suffix and name.endswith("-an")):
        raise errors.invalid_bucket_name(name)
    if (
        not _NAME.fullmatch(name)
        or ".." in name
        or ".-" in name  # labels of DNS begin and end with a letter or digit
        or "-." in name
        or _ADDRESS.fullmatch(name)
        or name.startswith(_RESERVED_PREFIXES)
        or name.endswith(_RESERVED_SUFFIXES)
    ):
        raise errors.invalid_bucket_name(name)


def check_key(key: str) -> None:
    """Raises KeyTooLongError, InvalidURI."""
    if len(key) * 4 > KEY_BYTES_MAX:
        size = len(key.encode("utf-8", "surrogatepass"))
        if size > KEY_BYTES_MAX:
            raise errors.key_too_long(size)
    if not key.isascii() and any("\ud800" <= character <= "\udfff" for character in key):
        raise errors.S3Error(
            "InvalidURI", "Couldn't parse the specified URI.", 400, {"URI": key.encode("utf-8", "backslashreplace").decode()}
        )
