"""Tags of buckets and objects: the header form, the rules. AWS: "Object tagging", "Using cost allocation S3 bucket tags"."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

from groundcloud.services.s3 import errors

OBJECT_TAGS_MAX = 10
BUCKET_TAGS_MAX = 50
_MALFORMED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ALLOWED = re.compile(r"[\w\s+\-=._:/@]*")


def check_tags(tag_set: list[dict[str, Any]], *, limit: int) -> list[dict[str, str]]:
    """The tags as they are kept. Raises InvalidTag, BadRequest, MalformedXML."""
    if len(tag_set) > limit:
        if limit == OBJECT_TAGS_MAX:
            raise errors.S3Error("BadRequest", "Object tags cannot be greater than 10", 400)
        raise errors.S3Error("BadRequest", f"Bucket tag count cannot be greater than {limit}", 400)
    seen: set[str] = set()
    kept = []
    for tag in tag_set:
        if tag.get("Key") is None or tag.get("Value") is None:
            raise errors.malformed_xml()
        name, value = tag["Key"], tag["Value"]
        if not name or len(name) > 128 or not _ALLOWED.fullmatch(name):
            raise errors.invalid_tag("The TagKey you have provided is invalid", TagKey=name)
        if len(value) > 256 or not _ALLOWED.fullmatch(value):
            raise errors.invalid_tag("The TagValue you have provided is invalid", TagKey=name, TagValue=value)
        if name in seen:
            raise errors.invalid_tag("Cannot provide multiple Tags with the same key", TagKey=name)
        if name.startswith("aws:") and limit == OBJECT_TAGS_MAX:
            raise errors.invalid_tag("Your TagKey cannot be prefixed with aws:", TagKey=name)
        seen.add(name)
        kept.append({"Key": name, "Value": value})
    return kept


def parse_header(text: str) -> dict[str, str]:
    """`x-amz-tagging: a=1&b=2`. Raises InvalidArgument, InvalidTag, BadRequest."""
    pairs = []
    for field in text.split("&"):
        if not field:
            continue
        if _MALFORMED.search(field):
            raise _not_encoded(text)
        name, _, value = field.partition("=")
        pairs.append({"Key": unquote_plus(name), "Value": unquote_plus(value)})
    names = [pair["Key"] for pair in pairs]
    if len(set(names)) != len(names):
        raise _not_encoded(text)
    return as_dict(check_tags(pairs, limit=OBJECT_TAGS_MAX))


def _not_encoded(text: str) -> errors.S3Error:
    return errors.invalid_argument(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        "x-amz-tagging",
        text,
    )


def as_dict(tag_set: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tag_set}


def as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]
