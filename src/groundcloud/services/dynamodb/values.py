"""Attribute values in wire form (`{"S": "a"}`): check, normalise, measure, compare.

Pure. One walk does the first three, because a put pays for it on every call. Sentences and their order are AWS's.
Source: API_AttributeValue; Developer Guide, "Naming rules and data types", "DynamoDB item sizes and formats".
"""

from __future__ import annotations

import binascii
import re
from decimal import Decimal
from typing import Any

from groundcloud.services.dynamodb import errors, numbers

Value = dict[str, Any]
Item = dict[str, Value]

ITEM_BYTES_MAX = 400 * 1024
NESTING_DEPTH_MAX = 32
NAME_BYTES_MAX = 65535
CONTAINER_BYTES = 3
"""A list or map counts three bytes, and one for each element."""

TYPE_WORDS = {
    "S": "STRING", "N": "NUMBER", "B": "BINARY", "NULL": "NULL", "BOOL": "BOOLEAN", "L": "LIST", "M": "MAP",
    "SS": "STRING_SET", "NS": "NUMBER_SET", "BS": "BINARY_SET",
}  # fmt: skip
SETS = frozenset(("SS", "NS", "BS"))
ORDERED = frozenset(("S", "N", "B"))

_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]")
_WIRE_TYPES = frozenset(TYPE_WORDS)
_EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
_SEVERAL = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"


def type_of(value: Value) -> str:
    return next(iter(value))


def check_item(item: Item) -> int:
    """Checks and normalises every value in place; the size of the item in bytes as AWS counts it."""
    if item.__class__ is not dict:
        raise errors.serialization(not_a_map(item, "com.amazonaws.dynamodb.v20120810.AttributeValue"))
    if "" in item:
        raise errors.empty_attribute_name()
    size = 0
    for name, value in item.items():
        size += len(name) if name.isascii() else len(name.encode())
        if value.__class__ is dict and len(value) == 1:
            text = value.get("S")
            if text.__class__ is str:  # most attributes are strings
                size += len(text) if text.isascii() else _utf8_length(text)
                continue
        size += check(value, 0)
    if size > NAME_BYTES_MAX and any(len(name.encode()) > NAME_BYTES_MAX for name in item):
        raise errors.attribute_name_too_large()
    return size


def check(value: Any, depth: int = 0) -> int:
    """Checks and normalises a value in place; its size in bytes. `depth` counts the lists and maps around it."""
    if value.__class__ is not dict:
        raise errors.serialization(not_a_structure(value, "AttributeValue"))
    if len(value) != 1:
        return _check_crowd(value, depth)
    kind, content = next(iter(value.items()))
    if kind == "S":
        if content.__class__ is not str:
            raise _misfit(not_a("String", content), content)
        return len(content) if content.isascii() else _utf8_length(content)
    if kind == "N":
        if content.__class__ is not str:
            raise _misfit(not_a("String", content), content)
        normal = numbers.normalize(content)
        value["N"] = normal
        return numbers.size_bytes(normal)
    if kind == "BOOL":
        if content.__class__ is not bool:
            raise _misfit(not_a_boolean(content), content)
        return 1
    if kind == "M":
        if content.__class__ is not dict:
            raise _misfit(not_a_map(content, "com.amazonaws.dynamodb.v20120810.AttributeValue"), content)
        if "" in content:
            raise errors.empty_attribute_name()
        if depth >= NESTING_DEPTH_MAX - 1 and content:
            raise errors.nested_too_deep()
        size = CONTAINER_BYTES + len(content)
        for name, inner in content.items():
            size += len(name) if name.isascii() else len(name.encode())
            size += check(inner, depth + 1)
        return size
    if kind == "L":
        if content.__class__ is not list:
            raise _misfit(not_a_list(content), content)
        if depth >= NESTING_DEPTH_MAX - 1 and content:
            raise errors.nested_too_deep()
        size = CONTAINER_BYTES + len(content)
        for inner in content:
            size += check(inner, depth + 1)
        return size
    if kind == "NULL":
        if content.__class__ is not bool:
            raise _misfit(not_a_boolean(content), content)
        if not content:
            raise errors.invalid_parameters("Null attribute value types must have the value of true")
        return 1
    if content is None:
        raise errors.validation(_EMPTY)
    if kind == "B":
        return len(decode_binary(content))
    if kind in SETS:
        return _check_set(value, kind, content)
    raise errors.validation(_EMPTY)


def size_of(value: Value) -> int:
    """The size of a value that was checked before."""
    kind, content = next(iter(value.items()))
    if kind == "S":
        return len(content) if content.isascii() else len(content.encode())
    if kind == "N":
        return numbers.size_bytes(content)
    if kind == "BOOL" or kind == "NULL":
        return 1
    if kind == "M":
        return CONTAINER_BYTES + len(content) + item_size(content)
    if kind == "L":
        return CONTAINER_BYTES + len(content) + sum(map(size_of, content))
    if kind == "B":
        return binary_length(content)
    if kind == "SS":
        return sum(len(text.encode()) for text in content)
    if kind == "NS":
        return sum(map(numbers.size_bytes, content))
    return sum(map(binary_length, content))


def item_size(item: Item) -> int:
    """The size of an item that was checked before, attribute names included."""
    size = 0
    for name, value in item.items():
        size += (len(name) if name.isascii() else len(name.encode())) + size_of(value)
    return size


def binary_length(text: str) -> int:
    return len(text) // 4 * 3 - text.count("=", -2) if text else 0


def decode_binary(text: Any) -> bytes:
    """Raises SerializationException where `text` is not canonical base64."""
    if text.__class__ is not str:
        raise errors.serialization(not_a_blob(text))
    if len(text) % 4:
        raise errors.serialization(f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(text)}")
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        content = None
    if content is None or binascii.b2a_base64(content, newline=False).decode() != text:
        strange = _NOT_BASE64.search(text)
        if strange is not None:
            raise errors.serialization(f"Invalid Base64 character: '{strange[0]}'")
        raise errors.serialization("Invalid last non-pad Base64 character dectected")
    return content


def equal(left: Value, right: Value) -> bool:
    """Whether two checked values are the same: sets without order, numbers by value, lists and maps throughout."""
    if left == right:
        return True
    kind = next(iter(left))
    if kind != next(iter(right)):
        return False
    if kind in SETS:
        return len(left[kind]) == len(right[kind]) and set(left[kind]) == set(right[kind])
    if kind == "L":
        return len(left["L"]) == len(right["L"]) and all(map(equal, left["L"], right["L"]))
    if kind == "M":
        ours, theirs = left["M"], right["M"]
        return ours.keys() == theirs.keys() and all(equal(ours[name], theirs[name]) for name in ours)
    return False


def order_key(value: Value) -> Any:
    """Something that compares as the value does among values of its type: S by UTF-8 bytes, N by amount, B by bytes."""
    kind, content = next(iter(value.items()))
    if kind == "N":
        return Decimal(content)
    if kind == "B":
        return binascii.a2b_base64(content)
    return content  # Python orders text by code points, which is the order of its UTF-8 bytes


def show(value: Value) -> str:
    """A value as AWS prints it in an error: `{N:1}`."""
    kind, content = next(iter(value.items()))
    return f"{{{kind}:{content}}}"


def _misfit(sentence: str, content: Any) -> errors.AwsError:
    """A member of the wrong JSON type; one that is null is as good as none."""
    return errors.validation(_EMPTY) if content is None else errors.serialization(sentence)


def _utf8_length(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise errors.serialization("Unable to parse text: it holds half of a surrogate pair") from None


def _check_crowd(value: Value, depth: int) -> int:
    """A structure with no member or several: JSON null members and unknown ones do not count."""
    for kind in [kind for kind, content in value.items() if content is None or kind not in _WIRE_TYPES]:
        del value[kind]
    if not value:
        raise errors.validation(_EMPTY)
    if len(value) == 1:
        return check(value, depth)
    for kind, content in value.items():
        check({kind: content}, depth)
    raise errors.validation(_SEVERAL)


def _check_set(value: Value, kind: str, members: Any) -> int:
    if members.__class__ is not list:
        raise errors.serialization(not_a_list(members))
    if kind == "SS":
        size = 0
        for member in members:
            if member.__class__ is not str:
                raise errors.serialization(not_a("String", member))
            size += _utf8_length(member)
        if not members:
            raise errors.invalid_parameters("An string set  may not be empty")
        if "" in members:
            raise errors.invalid_parameters("An string set may not have a empty string as a member")
        if len(set(members)) != len(members):
            raise errors.invalid_parameters(f"Input collection [{', '.join(members)}] contains duplicates.")
        return size
    if kind == "NS":
        for member in members:
            if member.__class__ is not str:
                raise errors.serialization(not_a("String", member))
        if not members:
            raise errors.invalid_parameters("An number set  may not be empty")
        normal = [numbers.normalize(member) for member in members]
        if len(set(normal)) != len(normal):
            raise errors.validation("Input collection contains duplicates")
        value["NS"] = normal
        return sum(map(numbers.size_bytes, normal))
    contents = [decode_binary(member) for member in members]
    if not contents:
        raise errors.invalid_parameters("Binary sets should not be empty")
    if b"" in contents:
        raise errors.invalid_parameters("Binary sets may not contain null or empty values")
    if len(set(contents)) != len(contents):
        raise errors.invalid_parameters(f"Input collection [{', '.join(members)}]of type BS contains duplicates.")
    return sum(map(len, contents))


def not_a(java: str, content: Any) -> str:
    """AWS's sentence for JSON that cannot become an instance of this class of java.lang."""
    if content is None:
        return "Unexpected null value"
    if isinstance(content, list):
        return f"Unrecognized collection type class java.lang.{java}"
    if isinstance(content, dict):
        return "Start of structure or map found where not expected"
    return f"{_scalar_word(content)} cannot be converted to {java}"


def not_a_boolean(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return "Unexpected token received from parser"
    return not_a("Boolean", content)


def not_a_blob(content: Any) -> str:
    if isinstance(content, list):
        return "Unrecognized collection type class java.nio.ByteBuffer"
    if isinstance(content, dict):
        return "Start of structure or map found where not expected"
    return "only base-64-encoded strings are convertible to bytes"


def not_a_list(content: Any) -> str:
    return "Start of structure or map found where not expected" if isinstance(content, dict) else "Unexpected field type"


def not_a_map(content: Any, member_class: str) -> str:
    if isinstance(content, list):
        return f"Unrecognized collection type java.util.Map<java.lang.String, {member_class}>"
    return "Unexpected field type"


def not_a_structure(content: Any, shape: str) -> str:
    if isinstance(content, list):
        return f"Unrecognized collection type class com.amazonaws.dynamodb.v20120810.{shape}"
    return "Unexpected value type in payload"


def _scalar_word(content: Any) -> str:
    if content is True:
        return "TRUE_VALUE"
    if content is False:
        return "FALSE_VALUE"
    if isinstance(content, float):
        return "DECIMAL_VALUE"
    return "NUMBER_VALUE" if isinstance(content, int) else "STRING_VALUE"
