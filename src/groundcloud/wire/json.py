"""JSON bodies by shape: what a client sent to parameters, a result to what a client reads.

Where a shape is on the wire as it is inside, the walkers are None and nothing is touched: msgspec has done it all in C.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.base.limits import JSON_DEPTH_MAX
from groundcloud.wire import timestamps, validate
from groundcloud.wire.model import Model

Walker = Callable[[Any], Any]

encode = msgspec.json.Encoder().encode

_decode_json = msgspec.json.Decoder().decode


class Reader:
    """Walkers from the wire's names and forms to parameters. `prune=True` walks everything, to drop nulls. `milliseconds`: numbers are moments in these."""

    def __init__(self, model: Model, *, prune: bool = False, milliseconds: bool = False) -> None:
        self._model = model
        self._prune = prune
        self._milliseconds = milliseconds
        self._walkers: dict[str, Walker | None] = {}
        self._open: set[str] = set()

    def of(self, shape_name: str) -> Walker | None:
        if shape_name in self._walkers:
            return self._walkers[shape_name]
        if shape_name in self._open:
            # Recursive: find the finished walker when it is needed.
            return lambda value: (self._walkers[shape_name] or _same)(value)
        self._open.add(shape_name)
        walker = self._build(shape_name)
        self._open.discard(shape_name)
        if walker is not None or not self._open:
            self._walkers[shape_name] = walker
        else:
            self._walkers[shape_name] = None
        return walker

    def structure(self, members: dict[str, Any]) -> Walker | None:
        """A walker for these members alone (the body of a REST request)."""
        plan: list[tuple[str, str, Walker | None]] = []
        needed = self._prune
        for member, reference in members.items():
            wire = reference.get("locationName", member)
            walker = _decode_json if reference.get("jsonvalue") else self.of(reference["shape"])
            needed = needed or walker is not None or wire != member
            plan.append((wire, member, walker))
        if not needed:
            return None
        by_wire = {wire: (member, walker) for wire, member, walker in plan}

        def walk(value: Any) -> Any:
            out = {}
            for wire, item in value.items():
                if item is None or (known := by_wire.get(wire)) is None:
                    continue
                member, walker = known
                out[member] = item if walker is None else walker(item)
            return out

        return walk

    def _build(self, shape_name: str) -> Walker | None:
        shape = self._model.shapes[shape_name]
        kind = shape["type"]
        if kind == "structure":
            return None if shape.get("document") else self.structure(shape["members"])
        if kind == "list":
            inner = self.of(shape["member"]["shape"])
            sparse = shape.get("sparse", False)
            if inner is None and not self._prune:
                return None
            walk_item = inner or _same
            if sparse:
                return lambda value: [None if item is None else walk_item(item) for item in value]
            return lambda value: [walk_item(item) for item in value if item is not None]
        if kind == "map":
            inner = self.of(shape["value"]["shape"])
            if inner is None and not self._prune:
                return None
            walk_value = inner or _same
            if shape.get("sparse", False):
                return lambda value: {key: None if item is None else walk_value(item) for key, item in value.items()}
            return lambda value: {key: walk_value(item) for key, item in value.items() if item is not None}
        if kind == "timestamp":
            return _milliseconds if self._milliseconds else timestamps.parse
        if kind in ("float", "double"):
            return float
        return None


class Writer:
    """Walkers from results to what msgspec encodes. `default_timestamp` is the protocol's form in bodies."""

    def __init__(self, model: Model, *, prune: bool = False, default_timestamp: str = "unixTimestamp", raw_blobs: bool = False) -> None:
        self._model = model
        self._prune = prune
        self._timestamp = default_timestamp
        self._raw_blobs = raw_blobs
        self._walkers: dict[str, Walker | None] = {}
        self._open: set[str] = set()

    def of(self, shape_name: str, reference: dict[str, Any] | None = None) -> Walker | None:
        shape = self._model.shapes[shape_name]
        if shape["type"] == "timestamp":
            form = (reference or {}).get("timestampFormat") or shape.get("timestampFormat") or self._timestamp
            return None if form == "unixTimestamp" and not self._prune else timestamps.FORMATS[form]
        if shape_name in self._walkers:
            return self._walkers[shape_name]
        if shape_name in self._open:
            return lambda value: (self._walkers[shape_name] or _same)(value)
        self._open.add(shape_name)
        walker = self._walkers[shape_name] = self._build(shape)
        self._open.discard(shape_name)
        return walker

    def structure(self, members: dict[str, Any], *, only: bool = False) -> Walker | None:
        """`only` says that a value may have other members too, which are left out."""
        needed = self._prune or only
        plan: dict[str, tuple[str, Walker | None]] = {}
        for member, reference in members.items():
            wire = reference.get("locationName", member)
            walker = encode_json_text if reference.get("jsonvalue") else self.of(reference["shape"], reference)
            needed = needed or walker is not None or wire != member
            plan[member] = (wire, walker)
        if not needed:
            return None

        def walk(value: Any) -> Any:
            out = {}
            for member, item in value.items():
                if item is None or (known := plan.get(member)) is None:
                    continue
                wire, walker = known
                out[wire] = item if walker is None else walker(item)
            return out

        return walk

    def _build(self, shape: dict[str, Any]) -> Walker | None:
        kind = shape["type"]
        if kind == "structure":
            return None if shape.get("document") else self.structure(shape["members"])
        if kind == "list":
            inner = self.of(shape["member"]["shape"], shape["member"])
            if inner is None:
                return None
            return _list_walker(inner)
        if kind == "map":
            inner = self.of(shape["value"]["shape"], shape["value"])
            if inner is None:
                return None
            return _map_walker(inner)
        if kind in ("float", "double"):
            return _float
        if kind == "blob" and self._prune and not self._raw_blobs:
            return lambda value: value if isinstance(value, str) else b64encode(value).decode()
        return None


class Document:
    """A JSON document of one structure: bytes to parameters. `members` are those of the shape that are in the document, if not all."""

    def __init__(self, model: Model, shape_name: str | None, members: dict[str, Any] | None = None) -> None:
        self._model = model
        self._shape_name = shape_name
        self._members = members
        self._decode: Callable[[bytes], Any] | None = None
        self._walker: Walker | None = None
        self._prune: Walker | None = None

    def _compile(self) -> Callable[[bytes], Any]:
        types = validate.Types(self._model, strict=False, wire_names=True)
        assert self._shape_name is not None
        if self._members is None:
            built = types.of(self._shape_name)
        else:
            built = types.structure(f"{self._shape_name}_body", self._members)
        self._walker = self._reader(prune=False)
        self._decode = msgspec.json.Decoder(built).decode
        return self._decode

    def _reader(self, prune: bool) -> Walker | None:
        reader = Reader(self._model, prune=prune)
        assert self._shape_name is not None
        return reader.of(self._shape_name) if self._members is None else reader.structure(self._members)

    def read(self, body: bytes) -> Any:
        """Raises AwsError SerializationException for what is not JSON or not of the shape's types."""
        if self._shape_name is None or not body:
            return {}
        decode = self._decode or self._compile()
        if len(body) > JSON_DEPTH_MAX:
            check_bounds(body)
        try:
            value = decode(body)
            if b"null" in body:
                if self._prune is None:
                    self._prune = self._reader(prune=True)
                return self._prune(value) if self._prune else value
            return value if self._walker is None else self._walker(value)
        except msgspec.ValidationError as error:
            raise validate.serialization_error(type_mismatch(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _not_json() from None
        except (ValueError, OverflowError) as error:
            raise validate.serialization_error(str(error)) from None


class Result:
    """A result to a JSON document."""

    def __init__(self, model: Model, shape_name: str | None, members: dict[str, Any] | None = None) -> None:
        self._empty = shape_name is None
        self._walker: Walker | None = None
        self._prune: Walker | None = None
        if shape_name is not None:
            writer, pruner = Writer(model), Writer(model, prune=True)
            self._walker = writer.of(shape_name) if members is None else writer.structure(members, only=True)
            self._prune = pruner.of(shape_name) if members is None else pruner.structure(members)

    def write(self, result: Any) -> bytes:
        if self._empty or result is None:
            return b"{}"
        out = encode(self._walker(result) if self._walker else result)
        if b"null" in out and self._prune is not None:
            out = encode(self._prune(result))
        return out


def decode_document(body: bytes) -> Any:
    """Any JSON. Raises AwsError SerializationException."""
    if not body:
        return {}
    if len(body) > JSON_DEPTH_MAX:
        check_bounds(body)
    try:
        return _decode_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _not_json() from None


def check_bounds(body: bytes) -> None:
    """Refuses what nests past JSON_DEPTH_MAX or holds more than COLLECTIONS_MAX lists and objects. Raises AwsError SerializationException."""
    count = body.count(b"[") + body.count(b"{")
    if count <= JSON_DEPTH_MAX:
        return
    if count > COLLECTIONS_MAX:
        raise validate.serialization_error("The request has too many elements.")
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # What remains are quotes and brackets; then brackets outside of strings; then, turn by turn, those that hold something.
    marks = body.translate(_AS_LISTS, _NO_MARKS).replace(b'""', b"")
    if b'"' in marks:
        marks = _STRING.sub(b"", marks)
    for _ in range(JSON_DEPTH_MAX):
        if not marks:
            return
        marks = marks.replace(b"[]", b"")
    if marks:
        raise validate.serialization_error("The request is nested too deeply.")


COLLECTIONS_MAX = 1_000_000
"""Lists and objects in one document: each costs about 64 bytes once decoded."""

_STRING = re.compile(rb'"[^"]*"')
_NO_MARKS = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_AS_LISTS = bytes.maketrans(b"{}", b"[]")


def _not_json() -> AwsError:
    return validate.serialization_error("Unable to parse the request body as JSON.")


_TYPE_NAMES = {
    "str": "STRING_VALUE",
    "int": "NUMBER_VALUE",
    "float": "DECIMAL_VALUE",
    "bool": "TRUE_VALUE",
    "object": "START_OBJECT",
    "array": "START_ARRAY",
}
_MISMATCH = re.compile(r"Expected `([a-z]+)[^`]*`, got `([a-z]+)`")


def type_mismatch(error: Exception) -> str:
    """msgspec's complaint in the words of AWS's JSON front end."""
    match = _MISMATCH.search(str(error))
    if match is None:
        return str(error)
    wanted, got = match[1], match[2]
    if wanted == "str":
        return f"{_TYPE_NAMES.get(got, got.upper())} can not be converted to a String"
    if wanted in ("int", "float"):
        return f"{_TYPE_NAMES.get(got, got.upper())} cannot be converted to {'Integer' if wanted == 'int' else 'Double'}"
    if wanted == "bool":
        return f"{_TYPE_NAMES.get(got, got.upper())} cannot be converted to Boolean"
    if wanted == "object":
        return "Expected start of structure or map; found " + _TYPE_NAMES.get(got, got.upper())
    return "Expected list or null"


def encode_json_text(value: Any) -> str:
    return encode(value).decode()


def _list_walker(inner: Walker) -> Walker:
    return lambda value: [None if item is None else inner(item) for item in value]


def _map_walker(inner: Walker) -> Walker:
    return lambda value: {key: None if item is None else inner(item) for key, item in value.items()}


def _float(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _milliseconds(value: Any) -> Any:
    return value / 1000 if isinstance(value, (int, float)) else timestamps.parse(value)


def _same(value: Any) -> Any:
    return value
