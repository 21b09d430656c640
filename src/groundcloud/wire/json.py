"""JSON bodies by shape: what a client sent to parameters, a result to what a client reads.

Where a shape is on the wire as it is inside, the walkers are None and nothing is touched: msgspec has done it all in C.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import msgspec

from groundcloud.wire import timestamps
from groundcloud.wire.model import Model

Walker = Callable[[Any], Any]

encode = msgspec.json.Encoder().encode


class Reader:
    """Walkers from the wire's names and forms to parameters. `prune=True` walks everything, to drop nulls."""

    def __init__(self, model: Model, *, prune: bool = False) -> None:
        self._model = model
        self._prune = prune
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
            walker = None if reference.get("jsonvalue") else self.of(reference["shape"])
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
            return timestamps.parse
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

    def structure(self, members: dict[str, Any]) -> Walker | None:
        needed = self._prune
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
            return lambda value: [None if item is None else inner(item) for item in value]
        if kind == "map":
            inner = self.of(shape["value"]["shape"], shape["value"])
            if inner is None:
                return None
            return lambda value: {key: None if item is None else inner(item) for key, item in value.items()}
        if kind in ("float", "double"):
            return _float
        if kind == "blob" and self._prune and not self._raw_blobs:
            return lambda value: value if isinstance(value, str) else b64encode(value).decode()
        return None


def encode_json_text(value: Any) -> str:
    return encode(value).decode()


def _float(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _same(value: Any) -> Any:
    return value
