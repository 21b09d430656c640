"""HTTP bindings of the REST protocols: members in the path, the query string, headers, the status code, or the payload."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.wire import corrections, timestamps
from groundcloud.wire.json import decode_document
from groundcloud.wire.message import HttpRequest
from groundcloud.wire.model import Model, Operation
from groundcloud.wire.validate import serialization_error
from groundcloud.wire.xml import number_text, scalar_reader


class Bindings:
    """How one structure's members are bound; `body` holds the members that are in the document.

    In a `response` the bindings to path and query mean nothing: those members are in the document.
    """

    def __init__(self, model: Model, shape_name: str, *, response: bool = False) -> None:
        shape = model.shapes[shape_name]
        self.payload: str | None = shape.get("payload")
        self.body: dict[str, Any] = {}
        self.labels: dict[str, tuple[str, dict[str, Any]]] = {}
        self.query: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = []
        self.headers: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = []
        self.prefixes: list[tuple[str, str]] = []
        self.status: str | None = None
        for member, reference in shape["members"].items():
            target = model.shapes[reference["shape"]]
            name = reference.get("locationName", member)
            where = reference.get("location")
            if response and where in ("uri", "querystring"):
                where = None
            if where == "uri":
                self.labels[name] = (member, target)
            elif where == "querystring":
                self.query.append((member, name, reference, target))
            elif where == "header":
                self.headers.append((member, name.lower(), reference, target))
            elif where == "headers":
                self.prefixes.append((member, name.lower()))
            elif where == "statusCode":
                self.status = member
            else:
                self.body[member] = reference


class RequestReader:
    """Everything of an operation's parameters but the document."""

    def __init__(self, operation: Operation, bindings: Bindings) -> None:
        model = operation.model
        self._service = model.service
        self._labels = [(label, member, _text_reader(shape, {}, "iso8601")) for label, (member, shape) in bindings.labels.items()]
        self._named = {name for _, name, _, _ in bindings.query}
        self._query: dict[str, tuple[str, bool, Any]] = {}
        self._query_map: tuple[str, bool] | None = None
        for member, name, reference, shape in bindings.query:
            if shape["type"] == "list":
                inner = model.shapes[shape["member"]["shape"]]
                self._query[name] = (member, True, _text_reader(inner, shape["member"], "iso8601"))
            elif shape["type"] == "map":
                self._query_map = (member, model.shapes[shape["value"]["shape"]]["type"] == "list")
            else:
                self._query[name] = (member, False, _text_reader(shape, reference, "iso8601"))
        self._headers: dict[str, tuple[str, Any]] = {}
        for member, name, reference, shape in bindings.headers:
            if shape["type"] == "list":
                inner = model.shapes[shape["member"]["shape"]]
                self._headers[name] = (member, _header_list(inner, reference))
            else:
                reader = _text_reader(shape, reference, "rfc822")
                # RFC 9110, 13.1.3: a condition whose date cannot be read is ignored.
                self._headers[name] = (member, _or_none(reader) if name.startswith("if-") else reader)
        self._prefixes = bindings.prefixes

    def read(self, request: HttpRequest, labels: dict[str, str]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        name = ""
        try:
            for label, member, reader in self._labels:
                text = labels.get(label)
                if text is not None:
                    name = label
                    out[member] = reader(text)
            if self._query or self._query_map:
                query = request.query
                for name, values in query.items():
                    if (bound := self._query.get(name)) is not None:
                        member, many, reader = bound
                        out[member] = [reader(value) for value in values] if many else reader(values[0])
                if self._query_map is not None:
                    member, many = self._query_map
                    rest = {key: (values if many else values[0]) for key, values in query.items() if key not in self._named}
                    if rest:
                        out[member] = rest
            headers = request.headers
            # A request has a dozen headers, an operation of S3 may have forty members in headers.
            bound_headers = self._headers
            for name, text in headers.items():
                if name in bound_headers:
                    member, reader = bound_headers[name]
                    if (value := reader(text)) is not None:
                        out[member] = value
            for member, prefix in self._prefixes:
                found = {key[len(prefix) :]: value for key, value in headers.items() if key.startswith(prefix)}
                if found:
                    out[member] = found
        except ValueError:
            raise self._unreadable(request, name) from None
        return out

    def _unreadable(self, request: HttpRequest, name: str) -> AwsError:
        if (refusal := corrections.UNREADABLE.get(self._service)) is None:
            return serialization_error(f"Invalid value for {name}")
        code, sentence, sentences = refusal
        value = (request.query.get(name) or [request.headers.get(name, "")])[0]
        fields = {"ArgumentName": name, "ArgumentValue": value}
        return AwsError(code, sentences.get(name, sentence).format(name=name), status=400, fields=fields)


def _or_none(reader: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return reader(text)
        except ValueError:
            return None

    return read


def _text_reader(shape: dict[str, Any], reference: dict[str, Any], _: str) -> Callable[[str], Any]:
    if reference.get("jsonvalue"):
        return lambda text: decode_document(b64decode(text))
    return scalar_reader(shape)


def _header_list(inner: dict[str, Any], reference: dict[str, Any]) -> Callable[[str], Any]:
    reader = scalar_reader(inner)
    if inner["type"] == "timestamp":

        def read_dates(text: str) -> list[Any]:
            # An HTTP date has a comma of its own.
            parts = text.split(",")
            if ":" in parts[0] or parts[0].strip().replace(".", "").isdigit():
                return [reader(part.strip()) for part in parts]
            return [reader(f"{parts[i].strip()}, {parts[i + 1].strip()}") for i in range(0, len(parts) - 1, 2)]

        return read_dates

    def read_list(text: str) -> list[Any]:
        if not text:
            return []
        if '"' not in text:
            return [reader(part.strip()) for part in text.split(",")]
        out, current, quoted, escaped = [], "", False, False
        for character in text:
            if escaped:
                current, escaped = current + character, False
            elif character == "\\" and quoted:
                escaped = True
            elif character == '"':
                quoted = not quoted
            elif character == "," and not quoted:
                out.append(reader(current.strip()))
                current = ""
            else:
                current += character
        out.append(reader(current.strip()))
        return out

    return read_list


class ResponseWriter:
    """The status and headers of an answer."""

    def __init__(self, model: Model, bindings: Bindings) -> None:
        self.status = bindings.status
        self._prefixes = bindings.prefixes
        self._headers: dict[str, tuple[str, Callable[[Any], str]]] = {}
        for member, name, reference, shape in bindings.headers:
            if shape["type"] == "list":
                inner = model.shapes[shape["member"]["shape"]]
                one = header_writer(inner, shape["member"])
                quote = inner["type"] == "string"
                self._headers[member] = (name, _list_writer(one, quote))
            else:
                self._headers[member] = (name, header_writer(shape, reference))

    def headers(self, result: dict[str, Any]) -> list[tuple[str, str]]:
        out = []
        for member, value in result.items():
            if value is not None and (bound := self._headers.get(member)) is not None:
                out.append((bound[0], bound[1](value)))
        for member, prefix in self._prefixes:
            value = result.get(member)
            if value:
                out.extend((prefix + key.lower(), str(item)) for key, item in value.items())
        return out


def header_writer(shape: dict[str, Any], reference: dict[str, Any]) -> Callable[[Any], str]:
    kind = shape["type"]
    if reference.get("jsonvalue"):
        return lambda value: b64encode(msgspec.json.encode(value)).decode()
    if kind == "timestamp":
        form = reference.get("timestampFormat") or shape.get("timestampFormat") or "rfc822"
        return timestamps.text_of(form)
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind == "blob":
        return lambda value: b64encode(value).decode()
    if kind in ("float", "double"):
        return number_text
    return str


def _list_writer(one: Callable[[Any], str], quote: bool) -> Callable[[Any], str]:
    if quote:
        return lambda value: ", ".join([_quoted(one(item)) for item in value])
    return lambda value: ", ".join([one(item) for item in value])


def _quoted(text: str) -> str:
    if any(character in text for character in ',"()'):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
