"""The service models: which services there are, and of one its operations and shapes.

The files are botocore's models without documentation (`tools/strip_models.py`), read when a service is first called: about a millisecond.
"""

from __future__ import annotations

import gzip
import re
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Any

import msgspec

from groundcloud.wire import corrections

Shape = dict[str, Any]


class Operation:
    """One operation of a model, as the codecs and the router read it."""

    __slots__ = (
        "errors",
        "http_method",
        "input",
        "input_shape",
        "model",
        "name",
        "output",
        "output_shape",
        "request_uri",
        "response_code",
        "result_wrapper",
        "unsigned",
    )

    def __init__(self, model: Model, name: str, raw: dict[str, Any]) -> None:
        self.model = model
        self.name = name
        http = raw.get("http", {})
        self.http_method: str = http.get("method", "POST")
        self.request_uri: str = http.get("requestUri", "/")
        self.response_code: int = http.get("responseCode", 200)
        self.input: dict[str, Any] = raw.get("input") or {}
        self.output: dict[str, Any] = raw.get("output") or {}
        self.input_shape: str | None = self.input.get("shape")
        self.output_shape: str | None = self.output.get("shape")
        self.result_wrapper: str | None = self.output.get("resultWrapper")
        self.errors: list[str] = [error["shape"] for error in raw.get("errors", ())]
        self.unsigned: bool = raw.get("authtype") == "none"


class Model:
    """A service's model. `service` is botocore's name of it."""

    def __init__(self, service: str, raw: dict[str, Any]) -> None:
        self.service = service
        self.metadata: dict[str, Any] = raw["metadata"]
        self.shapes: dict[str, Shape] = raw["shapes"]
        self._raw_operations: dict[str, Any] = raw["operations"]
        self._operations: dict[str, Operation] = {}

    @property
    def operation_names(self) -> list[str]:
        return list(self._raw_operations)

    def operation(self, name: str) -> Operation:
        """Raises KeyError if the service has no such operation."""
        found = self._operations.get(name)
        if found is None:
            found = self._operations[name] = Operation(self, name, self._raw_operations[name])
        return found

    @cached_property
    def by_function_name(self) -> dict[str, str]:
        """`send_message` -> `SendMessage`."""
        return {snake_case(name): name for name in self._raw_operations}

    @cached_property
    def error_codes(self) -> dict[str, str]:
        """Code on the wire -> name of the error's shape."""
        found: dict[str, str] = {}
        for name, shape in self.shapes.items():
            if shape.get("exception") or "error" in shape:
                found.setdefault(shape.get("error", {}).get("code", name), name)
        return found

    @property
    def protocols(self) -> list[str]:
        return self.metadata.get("protocols") or [self.metadata["protocol"]]

    @property
    def signing_name(self) -> str:
        return str(self.metadata.get("signingName") or self.metadata["endpointPrefix"])


@lru_cache(maxsize=1)
def index() -> dict[str, dict[str, Any]]:
    """botocore's name of every service whose model is here -> the model's metadata."""
    found: dict[str, dict[str, Any]] = msgspec.json.decode((files(__package__) / "models" / "index.json").read_bytes())
    return found


@cache
def load(service: str) -> Model:
    """Raises KeyError if there is no model of that name."""
    if service not in index():
        raise KeyError(service)
    packed = (files(__package__) / "models" / f"{service}.json.gz").read_bytes()
    raw = msgspec.json.decode(gzip.decompress(packed))
    corrections.correct(service, raw)
    return Model(service, raw)


_BOUNDARY = re.compile(r"(.)([A-Z][a-z]+)")
_NUMBERED = re.compile(r"([a-z0-9])([A-Z])")
_PLURAL = re.compile(r"([A-Z]{3,}s)$")


def snake_case(name: str) -> str:
    """`ListObjectsV2` -> `list_objects_v2`, `CreateDBCluster` -> `create_db_cluster`, `ListHITs` -> `list_hits`."""
    if (plural := _PLURAL.search(name)) is not None:
        name = name[: -len(plural[1])] + "_" + plural[1].lower()
    name = _BOUNDARY.sub(r"\1_\2", name)
    return _NUMBERED.sub(r"\1_\2", name).lower().replace("__", "_")
