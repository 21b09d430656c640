"""Smithy RPC v2 CBOR bodies, through cbor2, within bounds of depth and count.

Of CBOR's tags only 1 (a moment) is let through: the others are no part of the protocol, and some (shared references, decimal fractions,
regular expressions) would let a small body grow or take long.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from groundcloud.base.limits import JSON_DEPTH_MAX
from groundcloud.wire import timestamps
from groundcloud.wire.model import Model
from groundcloud.wire.validate import serialization_error


def decode(body: bytes, *, tags: bool = True) -> Any:
    """Raises AwsError SerializationException. Timestamps (tag 1) become seconds; without `tags`, the numbers that they are."""
    import cbor2

    tagged = _check_bounds(body)
    if not tags and tagged:
        untagged = bytearray(body)
        for at in reversed(tagged):
            del untagged[at]
        body = bytes(untagged)
    try:
        return _plain(cbor2.loads(body), 0)
    except (cbor2.CBORDecodeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise serialization_error(f"cannot read CBOR: {type(error).__name__}") from None


def encode(value: Any, model: Model, shape_name: str | None, *, milliseconds: bool = False) -> bytes:
    import cbor2

    if shape_name is None:
        return b"\xa0"
    return cbor2.dumps(_tagged(value, model, model.shapes[shape_name], milliseconds), datetime_as_timestamp=True, timezone=UTC)


def _plain(value: Any, depth: int) -> Any:
    if depth > JSON_DEPTH_MAX:
        raise ValueError("too deep")
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, datetime):
        seconds = value.timestamp()
        return int(seconds) if seconds.is_integer() else seconds
    return value


def _tagged(value: Any, model: Model, shape: dict[str, Any], milliseconds: bool) -> Any:
    kind = shape["type"]
    if value is None:
        return None
    if kind == "structure":
        members = shape["members"]
        return {
            members[name].get("locationName", name): _tagged(item, model, model.shapes[members[name]["shape"]], milliseconds)
            for name, item in value.items()
            if item is not None and name in members
        }
    if kind == "list":
        inner = model.shapes[shape["member"]["shape"]]
        return [_tagged(item, model, inner, milliseconds) for item in value]
    if kind == "map":
        inner = model.shapes[shape["value"]["shape"]]
        return {key: _tagged(item, model, inner, milliseconds) for key, item in value.items()}
    if kind == "timestamp":
        import cbor2

        return cbor2.CBORTag(1, round(timestamps.epoch(value) * 1000) if milliseconds else timestamps.epoch(value))
    if kind in ("float", "double"):
        return float(value)
    if kind == "blob" and isinstance(value, str):
        return value.encode()
    return value


ITEMS_MAX = 250_000
"""Items in one body; each is read one by one before the decoder sees it (about a tenth of a second for so many). CloudWatch takes 1 MB."""


def _check_bounds(body: bytes) -> list[int]:
    """Refuses by the items' heads alone what the decoder should not recurse into; where tags are. Raises AwsError SerializationException."""
    items, position, end = 0, 0, len(body)
    tagged: list[int] = []
    pending: list[int] = []
    while position < end:
        head = body[position]
        major, extra = head >> 5, head & 31
        position += 1
        items += 1
        if items > ITEMS_MAX:
            raise serialization_error("The request has too many elements.")
        count = extra
        if 24 <= extra <= 27:
            width = 1 << (extra - 24)
            count = int.from_bytes(body[position : position + width], "big")
            position += width
        if major in (2, 3) and extra != 31:
            if count > end - position:
                raise serialization_error("CBOR string runs past the end of the body")
            position += count
        elif major in (4, 5):
            if extra != 31 and count > end - position:
                raise serialization_error("CBOR collection runs past the end of the body")
            pending.append(-1 if extra == 31 else count * (2 if major == 5 else 1))
            if len(pending) > JSON_DEPTH_MAX:
                raise serialization_error("CBOR is nested too deeply")
            if pending[-1] != 0:
                continue
            pending.pop()
        elif major == 6:
            if count != 1:
                raise serialization_error(f"CBOR tag {count} is not part of the protocol")
            if extra == 1:
                tagged.append(position - 1)
            continue
        elif major == 7 and extra == 31:
            if pending:
                pending.pop()
        elif extra == 31:
            pending.append(-1)  # an indefinite string: chunks until the break
            continue
        while pending and pending[-1] > 0:
            pending[-1] -= 1
            if pending[-1] == 0:
                pending.pop()
            else:
                break
    return tagged
