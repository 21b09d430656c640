"""XML by shape: documents of REST-XML requests to parameters, results to documents (REST-XML and query answers).

Serialising writes text directly; parsing goes through lxml without entities, DTDs or network. One compiled function a shape.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.base.limits import JSON_DEPTH_MAX
from groundcloud.wire import corrections, timestamps
from groundcloud.wire.model import Model

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

Emit = Callable[[list[str], Any], None]
Read = Callable[[Any], Any]

_SPECIAL = re.compile('[&<>\r"\x85\u2028\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;", '"': "&quot;"}

_special = _SPECIAL.search


def escape(text: str) -> str:
    """Text for an element or attribute. Characters that XML 1.0 cannot carry are written as references, as AWS does."""
    return _SPECIAL.sub(_escaped, text) if _special(text) else text


def _escaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0]) or f"&#x{ord(match[0]):x};"


class Serializer:
    """Emitters for a model's shapes, one for each use of a shape under a tag. `query` says that the query protocol's names apply."""

    def __init__(self, model: Model, *, query: bool = False) -> None:
        self._model = model
        self._query = query
        self._emitters: dict[tuple[str, ...], Emit] = {}
        self._members: dict[str, Emit] = {}
        self._iso = timestamps.iso8601_milliseconds if model.service in ("s3", "cloudformation") else timestamps.iso8601

    def document(self, shape_name: str, value: Any, reference: dict[str, Any] | None = None) -> bytes:
        """A whole document; its root is the reference's or shape's locationName, else the shape's name."""
        shape = self._model.shapes[shape_name]
        reference = reference or {}
        root = reference.get("locationName") or shape.get("locationName") or shape_name
        namespace = reference.get("xmlNamespace") or shape.get("xmlNamespace") or self._model.metadata.get("xmlNamespace")
        if self._model.service == "s3" and namespace is None:
            namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        out: list[str] = [DECLARATION]
        self.of(shape_name, {"xmlNamespace": namespace}, root)(out, value)
        return "".join(out).encode("utf-8", "xmlcharrefreplace")

    def members(self, out: list[str], shape_name: str, value: dict[str, Any]) -> None:
        """A structure's members without an element around them."""
        emit = self._members.get(shape_name)
        if emit is None:
            emit = self._members[shape_name] = self._structure_members(self._shape(shape_name, {}))
        emit(out, value)

    def of(self, shape_name: str, reference: dict[str, Any], tag: str) -> Emit:
        """An emitter of values of the shape as elements `tag`; the traits of a reference to a shape go before the shape's own."""
        traits = ("timestampFormat", "flattened", "xmlNamespace")
        key = (shape_name, tag, *(str(reference.get(trait)) for trait in traits))
        found = self._emitters.get(key)
        if found is None:
            self._emitters[key] = lambda out, value: self._emitters[key](out, value)
            found = self._emitters[key] = self._build(self._shape(shape_name, reference), tag)
        return found

    def _shape(self, name: str, reference: dict[str, Any]) -> dict[str, Any]:
        shape = self._model.shapes[name]
        if self._query:
            shape = corrections.query_shape(self._model.service, name, shape)
        return {**shape, **reference}

    def _build(self, shape: dict[str, Any], tag: str) -> Emit:
        kind = shape["type"]
        own = namespace_attribute(shape.get("xmlNamespace"))
        opening, closing, empty = f"<{tag}{own}>", f"</{tag}>", f"<{tag}{own}/>"
        if kind == "structure":
            return self._structure(shape, opening, closing)
        if kind == "list":
            reference = shape["member"]
            if shape.get("flattened"):
                emit_item = self.of(reference["shape"], reference, tag)
                opening = closing = ""
            else:
                emit_item = self.of(reference["shape"], reference, reference.get("locationName", "member"))

            def emit_list(out: list[str], value: Any) -> None:
                out.append(opening)
                for item in value:
                    if item is not None:
                        emit_item(out, item)
                out.append(closing)

            return emit_list
        if kind == "map":
            return self._map(shape, tag, opening, closing)
        if kind == "string":

            def emit_text(out: list[str], value: Any) -> None:
                text = value if type(value) is str else str(value)
                if _special(text):
                    text = escape(text)
                out.append(f"{opening}{text}{closing}" if text else empty)

            return emit_text
        to_text = self.scalar(shape)

        def emit_scalar(out: list[str], value: Any) -> None:
            text = to_text(value)
            out.append(f"{opening}{text}{closing}" if text else empty)

        return emit_scalar

    def _structure(self, shape: dict[str, Any], opening: str, closing: str) -> Emit:
        emit_members = self._structure_members(shape)
        attributes = {
            member: reference.get("locationName", member)
            for member, reference in shape["members"].items()
            if self._shape(reference["shape"], reference).get("xmlAttribute")
        }

        def emit_structure(out: list[str], value: Any) -> None:
            if attributes:
                given = "".join(
                    f' {name}="{escape(str(value[member]))}"' for member, name in attributes.items() if value.get(member) is not None
                )
                out.append(f"{opening[:-1]}{given}>")
            else:
                out.append(opening)
            emit_members(out, value)
            out.append(closing)

        return emit_structure

    def _map(self, shape: dict[str, Any], tag: str, opening: str, closing: str) -> Emit:
        key_tag = shape["key"].get("locationName", "key")
        emit_value = self.of(shape["value"]["shape"], shape["value"], shape["value"].get("locationName", "value"))
        entry, entry_end = "<entry>", "</entry>"
        if shape.get("flattened"):
            entry, entry_end, opening, closing = opening, closing, "", ""

        def emit_map(out: list[str], value: Any) -> None:
            out.append(opening)
            for name, item in value.items():
                out.append(f"{entry}<{key_tag}>{escape(str(name))}</{key_tag}>")
                if item is not None:
                    emit_value(out, item)
                out.append(entry_end)
            out.append(closing)

        return emit_map

    def _structure_members(self, shape: dict[str, Any]) -> Emit:
        plan: list[tuple[str, Emit]] = []
        for member, reference in shape["members"].items():
            inner = self._shape(reference["shape"], reference)
            if reference.get("location") in ("header", "headers", "statusCode") or inner.get("xmlAttribute"):
                continue
            tag = inner.get("flatName") or reference.get("locationName") or member
            plan.append((member, self.of(reference["shape"], reference, tag)))

        def emit(out: list[str], value: dict[str, Any]) -> None:
            get = value.get
            for member, emitter in plan:
                item = get(member)
                if item is not None:
                    emitter(out, item)

        return emit

    def scalar(self, shape: dict[str, Any]) -> Callable[[Any], str]:
        kind = shape["type"]
        if kind == "boolean":
            return lambda value: "true" if value else "false"
        if kind == "timestamp":
            form = shape.get("timestampFormat") or "iso8601"
            return self._iso if form == "iso8601" else timestamps.text_of(form)
        if kind == "blob":
            return lambda value: b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        if kind in ("float", "double"):
            return number_text
        return str


def namespace_attribute(namespace: Any) -> str:
    """` xmlns="..."` from the model's text or {"uri", "prefix"}; empty for none."""
    if not namespace:
        return ""
    if isinstance(namespace, str):
        return f' xmlns="{namespace}"'
    prefix = namespace.get("prefix")
    return f' xmlns{":" + prefix if prefix else ""}="{namespace["uri"]}"'


def number_text(value: float) -> str:
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(value), str(value))


def malformed() -> AwsError:
    return AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema", status=400)


def root_of(body: bytes) -> Any:
    """The root element. Raises AwsError MalformedXML for what is not well formed, has a DTD, or is nested past JSON_DEPTH_MAX."""
    from lxml import etree

    if b"<!DOCTYPE" in body[:4096] or b"<!ENTITY" in body:
        raise malformed()
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise malformed() from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise malformed()
    if len(body) < JSON_DEPTH_MAX * len("<a></a>"):
        return root
    stack = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > JSON_DEPTH_MAX:
            raise malformed()
        stack.extend((child, depth + 1) for child in node)
    return root


class Parser:
    """Readers for a model's shapes."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._readers: dict[str, Read] = {}

    def of(self, shape_name: str) -> Read:
        found = self._readers.get(shape_name)
        if found is None:
            self._readers[shape_name] = lambda node: self._readers[shape_name](node)
            found = self._readers[shape_name] = self._build(self._model.shapes[shape_name])
        return found

    def structure(self, members: dict[str, Any]) -> Read:
        plain: dict[str, tuple[str, Read]] = {}
        flat: dict[str, tuple[str, Read, str]] = {}
        attributes: dict[str, tuple[str, Callable[[str], Any]]] = {}
        for member, reference in members.items():
            inner = {**self._model.shapes[reference["shape"]], **reference}
            name = reference.get("locationName", member)
            if inner.get("xmlAttribute"):
                attributes[name.split(":")[-1]] = (member, scalar_reader(inner))
            elif inner["type"] == "list" and inner.get("flattened"):
                flat[name] = (member, self.of(inner["member"]["shape"]), "list")
            elif inner["type"] == "map" and inner.get("flattened"):
                flat[name] = (member, self._entry(inner), "map")
            else:
                plain[name] = (member, self.of(reference["shape"]))

        def read(node: Any) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for name, value in node.attrib.items():
                known = attributes.get(_local(name))
                if known is not None:
                    out[known[0]] = known[1](value)
            for child in node:
                name = _local(child.tag)
                if (one := plain.get(name)) is not None:
                    out[one[0]] = one[1](child)
                elif (many := flat.get(name)) is not None:
                    member, reader, kind = many
                    if kind == "list":
                        out.setdefault(member, []).append(reader(child))
                    else:
                        out.setdefault(member, {}).update(reader(child))
            return out

        return read

    def _entry(self, shape: dict[str, Any]) -> Read:
        key_name = shape["key"].get("locationName", "key")
        value_name = shape["value"].get("locationName", "value")
        read_key, read_value = self.of(shape["key"]["shape"]), self.of(shape["value"]["shape"])

        def read(node: Any) -> dict[str, Any]:
            key: Any = ""
            value: Any = None
            for child in node:
                name = _local(child.tag)
                if name == key_name:
                    key = read_key(child)
                elif name == value_name:
                    value = read_value(child)
            return {key: value}

        return read

    def _build(self, shape: dict[str, Any]) -> Read:
        kind = shape["type"]
        if kind == "structure":
            return self.structure(shape["members"])
        if kind == "list":
            read_item = self.of(shape["member"]["shape"])
            return lambda node: [read_item(child) for child in node]
        if kind == "map":
            entry = self._entry(shape)

            def read_map(node: Any) -> dict[str, Any]:
                out: dict[str, Any] = {}
                for child in node:
                    out.update(entry(child))
                return out

            return read_map
        convert = scalar_reader(shape)
        return lambda node: convert(node.text or "")


def scalar_reader(shape: dict[str, Any]) -> Callable[[str], Any]:
    """Text to a scalar. The readers raise ValueError on text that is none."""
    kind = shape["type"]
    if kind in ("integer", "long"):
        return int
    if kind in ("float", "double"):
        return float
    if kind == "boolean":
        return _boolean
    if kind == "timestamp":
        return timestamps.parse
    if kind == "blob":
        return lambda text: b64decode(text, validate=False)
    return _text


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("true", "1"):
        return True
    if lowered in ("false", "0", ""):
        return False
    raise ValueError(f"not a boolean: {text!r}")


def _text(text: str) -> str:
    return text


def _local(tag: Any) -> str:
    text = tag if isinstance(tag, str) else ""
    return text.rsplit("}", 1)[-1]
