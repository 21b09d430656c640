"""The query protocol's form bodies: `Action=...&Version=...&Attribute.1.Name=...` to parameters.

The names of a form are read as paths into a tree, one node a segment, so that reading by shape costs what the form holds and not what the
shape could hold (shapes may contain themselves).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.base.limits import JSON_DEPTH_MAX
from groundcloud.wire import corrections
from groundcloud.wire.message import malformed_query_string
from groundcloud.wire.model import Model
from groundcloud.wire.xml import scalar_reader

Form = dict[str, str]
Node = dict[str | None, Any]
"""Children by segment; the value of the name that ends here under None."""

Read = Callable[[Node, str], Any]


def tree_of(form: Form) -> Node:
    """Raises AwsError MalformedQueryString for names nested past JSON_DEPTH_MAX."""
    root: Node = {}
    for name, value in form.items():
        segments = name.split(".")
        if len(segments) > JSON_DEPTH_MAX:
            raise malformed_query_string()
        node = root
        for segment in segments:
            below = node.get(segment)
            if below is None:
                below = node[segment] = {}
            node = below
        node[None] = value
    return root


class Parser:
    """Readers by shape: `reader(node, path)` gives the value at a node of the tree."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._readers: dict[tuple[str, bool], Read] = {}

    def of(self, shape_name: str, flattened: bool = False) -> Read:
        key = (shape_name, flattened)
        found = self._readers.get(key)
        if found is None:
            self._readers[key] = lambda node, path: self._readers[key](node, path)
            found = self._readers[key] = self._build(shape_name, flattened)
        return found

    def _shape(self, name: str) -> dict[str, Any]:
        return corrections.query_shape(self._model.service, name, self._model.shapes[name])

    def _build(self, shape_name: str, flattened: bool) -> Read:
        shape = self._shape(shape_name)
        kind = shape["type"]
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            return self._list(shape, flattened)
        if kind == "map":
            return self._map(shape, flattened)
        convert = scalar_reader(shape)

        def read_scalar(node: Node, path: str) -> Any:
            text = node.get(None)
            if text is None:
                return None
            try:
                return convert(text)
            except (ValueError, OverflowError):
                raise AwsError("MalformedInput", f"Invalid value for parameter {path}", status=400) from None

        return read_scalar

    def _structure(self, shape: dict[str, Any]) -> Read:
        plan: list[tuple[str, list[str], Read]] = []
        for member, reference in shape["members"].items():
            inner = {**self._shape(reference["shape"]), **reference}
            names = [reference.get("locationName", member)]
            flattened = bool(inner.get("flattened"))
            if flattened and inner["type"] in ("list", "map"):
                # Old clients write the list's member name in place of the member's.
                other = inner.get("flatName") or (inner["member"].get("locationName") if inner["type"] == "list" else None)
                if other and other not in names:
                    names.insert(0, other)
            plan.append((member, names, self.of(reference["shape"], flattened)))

        def read_structure(node: Node, path: str) -> Any:
            out = {}
            for member, names, reader in plan:
                for name in names:
                    below = node.get(name)
                    if below is not None:
                        value = reader(below, f"{path}.{name}" if path else name)
                        if value is not None:
                            out[member] = value
                            break
            return out

        return read_structure

    def _list(self, shape: dict[str, Any], flattened: bool) -> Read:
        read_item = self.of(shape["member"]["shape"])
        item_names = [shape["member"].get("locationName", "member"), "member"]

        def read_list(node: Node, path: str) -> Any:
            if node.get(None) == "":
                return []
            if not flattened or "1" not in node:
                # `Names.member.1` where a list is not flattened; some clients leave the middle out.
                for name in item_names:
                    if name in node:
                        node, path = node[name], f"{path}.{name}"
                        break
            out = []
            for segment, below in _numbered(node):
                item = read_item(below, f"{path}.{segment}")
                if item is not None:
                    out.append(item)
            return out or None

        return read_list

    def _map(self, shape: dict[str, Any], flattened: bool) -> Read:
        key_name = shape["key"].get("locationName", "key")
        value_name = shape["value"].get("locationName", "value")
        read_key, read_value = self.of(shape["key"]["shape"]), self.of(shape["value"]["shape"])

        def read_map(node: Node, path: str) -> Any:
            if node.get(None) == "":
                return {}
            if not flattened and "entry" in node:
                node, path = node["entry"], f"{path}.entry"
            out = {}
            for segment, below in _numbered(node):
                key = read_key(below.get(key_name, {}), f"{path}.{segment}.{key_name}")
                if key is not None:
                    out[key] = read_value(below.get(value_name, {}), f"{path}.{segment}.{value_name}")
            return out or None

        return read_map


def _numbered(node: Node) -> list[tuple[str, Node]]:
    """The children 1, 2, ... in order; gaps are skipped, as AWS does."""
    found = [
        (int(segment), segment) for segment in node if segment is not None and segment.isascii() and segment.isdigit() and len(segment) < 10
    ]
    if len(found) > 1:
        found.sort()
    return [(segment, node[segment]) for _, segment in found]
