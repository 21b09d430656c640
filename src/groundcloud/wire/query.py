"""The query protocol's form bodies: `Action=...&Version=...&Attribute.1.Name=...` to parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from groundcloud.base.errors import AwsError
from groundcloud.base.limits import QUERY_PARAMETERS_MAX
from groundcloud.wire import corrections
from groundcloud.wire.model import Model
from groundcloud.wire.xml import scalar_reader

Form = dict[str, str]
Read = Callable[[Form, str], Any]

LIST_ITEMS_MAX = 10_000


def form_of(body: bytes) -> Form:
    """Names and values of a form body. Raises AwsError MalformedQueryString."""
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=QUERY_PARAMETERS_MAX, strict_parsing=False))
    except (ValueError, UnicodeDecodeError):
        raise AwsError("MalformedQueryString", "The query string contains a syntax error", status=404) from None


class Parser:
    """Readers by shape: `reader(form, prefix)` gives the value below the prefix, None if nothing is there."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._readers: dict[str, Read] = {}

    def of(self, shape_name: str) -> Read:
        found = self._readers.get(shape_name)
        if found is None:
            self._readers[shape_name] = lambda form, prefix: self._readers[shape_name](form, prefix)
            found = self._readers[shape_name] = self._build(shape_name)
        return found

    def _shape(self, name: str) -> dict[str, Any]:
        return corrections.query_shape(self._model.service, name, self._model.shapes[name])

    def _build(self, shape_name: str) -> Read:
        shape = self._shape(shape_name)
        kind = shape["type"]
        if kind == "structure":
            plan = []
            for member, reference in shape["members"].items():
                inner = self._shape(reference["shape"])
                names = [reference.get("locationName", member)]
                if inner["type"] in ("list", "map") and (inner.get("flattened") or reference.get("flattened")):
                    flat = inner.get("flatName") or (inner["member"].get("locationName") if inner["type"] == "list" else None)
                    if flat and flat not in names:
                        names.insert(0, flat)
                plan.append((member, names, self.of(reference["shape"])))

            def read_structure(form: Form, prefix: str) -> Any:
                out = {}
                dot = prefix + "." if prefix else ""
                for member, names, reader in plan:
                    for name in names:
                        value = reader(form, dot + name)
                        if value is not None:
                            out[member] = value
                            break
                return out if out or not prefix or prefix in form else None

            return read_structure
        if kind == "list":
            read_item = self.of(shape["member"]["shape"])
            item_name = shape["member"].get("locationName", "member")
            flattened = shape.get("flattened", False)

            def read_list(form: Form, prefix: str) -> Any:
                if form.get(prefix) == "":
                    return []
                dots = (
                    (f"{prefix}.", f"{prefix}.{item_name}.", f"{prefix}.member.")
                    if flattened
                    else (f"{prefix}.{item_name}.", f"{prefix}.member.", f"{prefix}.")
                )
                for dot in dots:
                    out = []
                    for position in range(1, LIST_ITEMS_MAX):
                        item = read_item(form, f"{dot}{position}")
                        if item is None:
                            break
                        out.append(item)
                    if out:
                        return out
                return None

            return read_list
        if kind == "map":
            key_name = shape["key"].get("locationName", "key")
            value_name = shape["value"].get("locationName", "value")
            read_value = self.of(shape["value"]["shape"])
            flattened = shape.get("flattened", False)

            def read_map(form: Form, prefix: str) -> Any:
                dot = f"{prefix}." if flattened else f"{prefix}.entry."
                out = {}
                for position in range(1, LIST_ITEMS_MAX):
                    key = form.get(f"{dot}{position}.{key_name}")
                    if key is None:
                        break
                    out[key] = read_value(form, f"{dot}{position}.{value_name}")
                return out or None

            return read_map
        convert = scalar_reader(shape)

        def read_scalar(form: Form, prefix: str) -> Any:
            text = form.get(prefix)
            if text is None:
                return None
            try:
                return convert(text)
            except ValueError:
                raise AwsError("MalformedInput", f"Invalid value for parameter {prefix}", status=400) from None

        return read_scalar
