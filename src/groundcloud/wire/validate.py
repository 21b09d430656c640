"""Checks parameters against their shapes.

Two ways for one meaning. `checker` compiles a shape into a msgspec type: in C, it decodes or converts and says yes or no. When it says no,
`violations` walks the same shape in Python and writes AWS's sentences. So a good request pays almost nothing and a bad one gets the right words.

Source of the sentences: the AWS service front ends ("N validation errors detected: Value '...' at 'member' failed to satisfy constraint: ...").
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.wire import patterns
from groundcloud.wire.model import Model

matches = patterns.matches


_NUMBERS = ("integer", "long", "float", "double")
_SCALARS = ("string", "blob", *_NUMBERS)
_SECRET = object()
_NAMES_NULLS = ("lambda", "iam")
"""Services whose front ends add that a member must not be null. Source: their answers, as their users report them."""


class Violation(NamedTuple):
    """`path` is in AWS's spelling (`entries.1.member.id`); `sentence` is the whole clause; `kind` is `missing`, `type`, `length`, `range`, `enum` or `pattern`."""

    path: str
    value: Any
    kind: str
    sentence: str


class Types:
    """msgspec types of a model's shapes. `strict` includes required members, lengths, ranges and enumerations; loose has types alone.

    `wire_names` says that structures are keyed by the names on the wire (JSON bodies), not by member names.
    """

    def __init__(self, model: Model, *, strict: bool, wire_names: bool) -> None:
        self._model = model
        self._strict = strict
        self._wire_names = wire_names
        self._module = types.ModuleType(f"groundcloud.wire._types_{id(self)}")
        sys.modules[self._module.__name__] = self._module
        self._module.__dict__.update(Any=Any, NotRequired=NotRequired)
        self.left_out = False
        """Whether a constraint was met that these types do not hold (patterns that need `patterns.matches`)."""
        self._built: dict[str, Any] = {}
        self._building: set[str] = set()

    def of(self, shape_name: str) -> Any:
        if shape_name in self._built:
            return self._built[shape_name]
        shape = self._model.shapes[shape_name]
        kind = shape["type"]
        if kind == "structure":
            if shape.get("document"):
                return Any
            if shape_name in self._building:
                return f"T_{shape_name}"
            self._building.add(shape_name)
            built: Any = self.structure(shape_name, shape["members"])
            self._building.discard(shape_name)
            setattr(self._module, f"T_{shape_name}", built)
        elif kind == "list":
            inner = self._element(shape["member"]["shape"])
            built = self._bounded(types.GenericAlias(list, (inner,)), shape, "length")
        elif kind == "map":
            inner = self._element(shape["value"]["shape"])
            key = self.of(shape["key"]["shape"])
            built = self._bounded(types.GenericAlias(dict, (key, inner)), shape, "length")
        elif kind == "string":
            if self._strict and "enum" in shape and shape["enum"]:
                built = Literal[tuple(shape["enum"])]
            else:
                built = self._bounded(str, shape, "length", self._pattern(shape))
        elif kind in ("integer", "long"):
            built = self._bounded(int, shape, "range")
        elif kind in ("float", "double"):
            built = self._bounded(float, shape, "range") | Literal["NaN", "Infinity", "-Infinity"]
        elif kind == "boolean":
            built = bool
        elif kind == "timestamp":
            built = float | str
        elif kind == "blob":
            built = self._bounded(bytes, shape, "length")
        else:
            built = Any
        if not (kind != "structure" and self._building):
            # Types that mention a structure still being built are not kept: they hold its name only.
            self._built[shape_name] = built
        return built

    def structure(self, name: str, members: dict[str, Any]) -> Any:
        """A TypedDict; members bound to other places of a request are left out by the caller."""
        shape = self._model.shapes.get(name, {})
        required = set(shape.get("required", ())) if self._strict else set()
        fields: dict[str, Any] = {}
        for member, reference in members.items():
            target = self._model.shapes[reference["shape"]]
            if target.get("eventstream"):
                continue
            free = reference.get("jsonvalue") or target.get("document") or reference.get("streaming") or target.get("streaming")
            inner = Any if free else self.of(reference["shape"])
            key = reference.get("locationName", member) if self._wire_names else member
            if isinstance(inner, str):
                fields[key] = f"{inner} | None" if member in required else f"NotRequired[{inner} | None]"
                continue
            if member not in required:
                inner = NotRequired[inner if inner is Any else inner | None]
            fields[key] = inner
        make: Any = TypedDict
        built = make(f"T_{name}", fields)
        built.__module__ = self._module.__name__
        return built

    def _element(self, shape_name: str) -> Any:
        inner = self.of(shape_name)
        if isinstance(inner, str):
            import typing

            return typing.Optional[typing.ForwardRef(inner, module=self._module.__name__)]  # noqa: UP045
        return inner if inner is Any else inner | None

    def _pattern(self, shape: dict[str, Any]) -> str | None:
        """The pattern as msgspec searches it, if every text that the shape's length lets through may be tried."""
        if not self._strict or "pattern" not in shape:
            return None
        found = patterns.compiled(shape["pattern"])
        if found is None:
            return None
        if min(shape.get("max", sys.maxsize), patterns.LENGTH_MAX) > patterns.length_max(shape["pattern"]):
            self.left_out = True
            return None
        return rf"\A(?:{found.pattern})\Z"

    def _bounded(self, plain: Any, shape: dict[str, Any], what: str, pattern: str | None = None) -> Any:
        if not self._strict or ("min" not in shape and "max" not in shape and pattern is None):
            return plain
        low, high = shape.get("min"), shape.get("max")
        if what == "length":
            return Annotated[plain, msgspec.Meta(min_length=low if low else None, max_length=high, pattern=pattern)]
        return Annotated[plain, msgspec.Meta(ge=low, le=high)]


def violations(model: Model, shape_name: str, params: dict[str, Any]) -> list[Violation]:
    """Everything that is wrong, in the order of AWS's front ends: by member as the model lists them."""
    return list(_structure(model, model.shapes[shape_name], params, ""))


def message(found: list[Violation]) -> str:
    count = len(found)
    return f"{count} validation error{'s' if count > 1 else ''} detected: " + "; ".join(violation.sentence for violation in found)


def serialization_error(detail: str) -> AwsError:
    return AwsError("SerializationException", detail, status=400)


def _structure(model: Model, shape: dict[str, Any], params: Any, path: str) -> Iterator[Violation]:
    if not isinstance(params, dict):
        yield Violation(path, params, "type", "")
        return
    for member in shape.get("required", ()):
        if params.get(member) is None:
            where = path + _lower(member)
            yield Violation(where, None, "missing", f"Value null at '{where}' failed to satisfy constraint: Member must not be null")
    for member, reference in shape["members"].items():
        value = params.get(member)
        if value is not None:
            yield from _value(model, model.shapes[reference["shape"]], value, path + _lower(member), reference)


def _value(model: Model, shape: dict[str, Any], value: Any, path: str, reference: dict[str, Any] | None = None) -> Iterator[Violation]:
    kind = shape["type"]
    if reference is not None and (reference.get("jsonvalue") or reference.get("streaming")):
        return
    if kind == "structure":
        if not shape.get("document") and not shape.get("eventstream"):
            yield from _structure(model, shape, value, path + ".")
    elif kind == "list":
        yield from _length(shape, value, path)
        inner = model.shapes[shape["member"]["shape"]]
        if inner["type"] in _SCALARS:
            yield from _each(model, inner, value, path, _of(shape, inner, value), "Member")
            return
        for position, item in enumerate(value, 1):
            if item is not None:
                yield from _value(model, inner, item, f"{path}.{position}.member")
    elif kind == "map":
        yield from _length(shape, value, path)
        names, inner = model.shapes[shape["key"]["shape"]], model.shapes[shape["value"]["shape"]]
        whole = _of(shape, inner, value)
        yield from _each(model, names, value, path, whole, "Map keys")
        if inner["type"] in _SCALARS:
            yield from _each(model, inner, value.values(), path, whole, "Map value")
            return
        for key, item in value.items():
            if item is not None:
                yield from _value(model, inner, item, f"{path}.{key}.member")
    elif kind == "string":
        if not isinstance(value, str):
            yield Violation(path, value, "type", "")
            return
        yield from _length(shape, value, path)
        if shape.get("enum") and value not in shape["enum"]:
            wanted = ", ".join(shape["enum"])
            yield Violation(path, value, "enum", f"{_at(value, path)}Member must satisfy enum value set: [{wanted}]")
        if "pattern" in shape and not shape.get("enum") and not patterns.matches(shape["pattern"], value):
            yield Violation(path, value, "pattern", f"{_at(value, path)}Member must satisfy regular expression pattern: {shape['pattern']}")
    elif kind == "blob":
        if isinstance(value, (bytes, bytearray)):
            yield from _length(shape, value, path)
    elif kind in _NUMBERS and isinstance(value, (int, float)):
        if "min" in shape and value < shape["min"]:
            yield Violation(path, value, "range", f"{_at(value, path)}Member must have value greater than or equal to {shape['min']}")
        if "max" in shape and value > shape["max"]:
            yield Violation(path, value, "range", f"{_at(value, path)}Member must have value less than or equal to {shape['max']}")


def _of(shape: dict[str, Any], inner: dict[str, Any], value: Any) -> Any:
    """What is shown of a list or map: nothing where it, or what it holds, is a secret."""
    return _SECRET if shape.get("sensitive") or inner.get("sensitive") else value


def _each(model: Model, shape: dict[str, Any], values: Any, path: str, whole: Any, who: str) -> Iterator[Violation]:
    """One sentence for all members of a list, keys or values of a map: it tells every constraint that they have, and shows the whole."""
    found = next((violation for item in values if item is not None for violation in _value(model, shape, item, path)), None)
    if found is None:
        return
    if not found.sentence:
        yield found
        return
    constraints = []
    if shape.get("enum"):
        constraints.append(f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]")
    else:
        what = "value" if shape["type"] in _NUMBERS else "length"
        if "max" in shape:
            constraints.append(f"Member must have {what} less than or equal to {shape['max']}")
        if "min" in shape:
            constraints.append(f"Member must have {what} greater than or equal to {shape['min']}")
        if "pattern" in shape:
            constraints.append(f"Member must satisfy regular expression pattern: {shape['pattern']}")
    if model.service in _NAMES_NULLS and whole is not _SECRET:
        constraints.append("Member must not be null")
    yield Violation(path, found.value, found.kind, f"{_at(whole, path)}{who} must satisfy constraint: [{', '.join(constraints)}]")


def _length(shape: dict[str, Any], value: Any, path: str) -> Iterator[Violation]:
    if shape.get("min") and len(value) < shape["min"]:
        yield Violation(path, value, "length", f"{_at(value, path)}Member must have length greater than or equal to {shape['min']}")
    if "max" in shape and len(value) > shape["max"]:
        yield Violation(path, value, "length", f"{_at(value, path)}Member must have length less than or equal to {shape['max']}")


def _at(value: Any, path: str) -> str:
    if value is _SECRET:
        return f"Value at '{path}' failed to satisfy constraint: "
    if isinstance(value, list):
        shown = "[" + ", ".join(str(item) for item in value) + "]"
    elif isinstance(value, dict):
        shown = "{" + ", ".join(f"{key}={item}" for key, item in value.items()) + "}"
    elif isinstance(value, bytes):
        shown = f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    else:
        shown = str(value)
    return f"Value '{shown[:1024]}' at '{path}' failed to satisfy constraint: "


def _lower(member: str) -> str:
    return member[:1].lower() + member[1:]
