"""Event stream messages (`application/vnd.amazon.eventstream`): prelude, headers, payload, checksums.

Source: AWS, "Event stream encoding" (Smithy, Amazon Event Stream Specification).
"""

from __future__ import annotations

import binascii
from collections.abc import AsyncIterator
from struct import pack
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.wire.json import Writer, encode
from groundcloud.wire.model import Model


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message; all headers are strings."""
    packed = b"".join(
        pack(">B", len(name)) + name.encode() + b"\x07" + pack(">H", len(raw)) + raw
        for name, raw in ((name, value.encode()) for name, value in headers.items())
    )
    prelude = pack(">II", 16 + len(packed) + len(payload), len(packed))
    body = prelude + pack(">I", binascii.crc32(prelude)) + packed + payload
    return body + pack(">I", binascii.crc32(body))


def event(model: Model, stream_shape: str, name: str, value: dict[str, Any], *, xml: bool = False) -> bytes:
    """`{"Records": {"Payload": b"..."}}` as its message: payload, headers and body as the event's shape binds them."""
    shape_name = model.shapes[stream_shape]["members"][name]["shape"]
    shape = model.shapes[shape_name]
    headers = {":message-type": "event", ":event-type": name}
    payload, body = b"", {}
    for member, reference in shape["members"].items():
        item = value.get(member)
        if item is None:
            continue
        target = model.shapes[reference["shape"]]
        if reference.get("eventheader"):
            headers[reference.get("locationName", member)] = str(item)
        elif reference.get("eventpayload"):
            if target["type"] == "blob":
                headers[":content-type"] = "application/octet-stream"
                payload = item if isinstance(item, bytes) else str(item).encode()
            elif target["type"] == "string":
                headers[":content-type"] = "text/plain"
                payload = item.encode()
            else:
                body, shape, shape_name = item, target, reference["shape"]
        else:
            body[member] = item
    if body and not payload:
        if xml:
            from groundcloud.wire.xml import Serializer

            headers[":content-type"] = "text/xml"
            payload = Serializer(model).document(shape_name, body, {"locationName": name})
        else:
            headers[":content-type"] = "application/json"
            walker = Writer(model, prune=True).structure(shape["members"])
            payload = encode(walker(body) if walker else body)
    elif not payload and not xml and shape["members"] and ":content-type" not in headers:
        headers[":content-type"] = "application/json"
        payload = b"{}"
    return message(headers, payload)


async def encode_stream(
    model: Model, stream_shape: str, events: AsyncIterator[dict[str, Any]], *, xml: bool = False, initial: bytes | None = None
) -> AsyncIterator[bytes]:
    """Each event as a message; an AwsError ends the stream as an exception message."""
    if initial is not None:
        yield message({":message-type": "event", ":event-type": "initial-response", ":content-type": "application/x-amz-json-1.1"}, initial)
    try:
        async for item in events:
            for name, value in item.items():
                yield event(model, stream_shape, name, value, xml=xml)
    except AwsError as error:
        if error.code in model.shapes[stream_shape]["members"]:
            headers = {":message-type": "exception", ":exception-type": error.code, ":content-type": "application/json"}
            yield message(headers, encode({"message": error.message}))
        else:
            yield message({":message-type": "error", ":error-code": error.code, ":error-message": error.message}, b"")
