"""The Python runtime as a program that a wrapper starts (AWS_LAMBDA_EXEC_WRAPPER): the same runtime, over the Runtime API.

Copied to /var/runtime of the sandboxes' root, where AWS's is. Without namespaces it runs where it lies, and is told where the layers are.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import sys
from typing import Any

_BASE = "/2018-06-01/runtime/"
LAYERS = "_GROUND_LAYERS"
_HEADS = {
    "client_context": "Lambda-Runtime-Client-Context",
    "identity": "Lambda-Runtime-Cognito-Identity",
}


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    if os.path.isdir(f"{here}/_groundcloud"):
        sys.path.insert(0, here)
    else:
        _be_package(here)
    from _groundcloud import frames, python_runtime  # type: ignore[import-not-found]

    class ApiRuntime(python_runtime.Runtime):  # type: ignore[misc]
        """Events come from the Runtime API, answers go there."""

        def __init__(self, specification: dict[str, Any]) -> None:
            super().__init__(-1, specification)
            self.api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

        def receive(self) -> tuple[dict[str, Any], bytes]:
            self.api.request("GET", f"{_BASE}invocation/next")
            answer = self.api.getresponse()
            event, headers = answer.read(), answer.headers
            head: dict[str, Any] = {
                "request_id": headers["Lambda-Runtime-Aws-Request-Id"],
                "deadline_ms": int(headers["Lambda-Runtime-Deadline-Ms"]),
                "function_arn": headers["Lambda-Runtime-Invoked-Function-Arn"],
                "trace_id": headers["Lambda-Runtime-Trace-Id"],
                "tenant_id": headers["Lambda-Runtime-Aws-Tenant-Id"],
            }
            for name, header in _HEADS.items():
                if headers[header]:
                    head[name] = json.loads(headers[header])
            return head, event

        def send(self, kind: int, head: dict[str, Any], payload: bytes = b"") -> None:
            if kind == frames.READY:
                return
            if kind == frames.INIT_ERROR:
                path = "init/error"
            else:
                path = f"invocation/{head['request_id']}/{'response' if kind == frames.RESPONSE else 'error'}"
            headers = {"Lambda-Runtime-Function-Error-Type": head["error_type"]} if "error_type" in head else {}
            self.api.request("POST", _BASE + path, payload, headers)
            self.api.getresponse().read()

    environment = {name: value for name, value in os.environ.items() if name != LAYERS}
    specification = {
        "handler": environment["_HANDLER"],
        "runtime": environment.get("AWS_EXECUTION_ENV", "").removeprefix("AWS_Lambda_"),
        "task_root": environment["LAMBDA_TASK_ROOT"],
        "layer_root": os.environ.get(LAYERS, "/opt"),
        "environment": environment,
        "template": False,
    }
    standard = [path for path in sys.path if path]
    python_runtime.start(specification, -1, standard, frozenset(), frozenset(), None, lambda: ApiRuntime(specification))


def _be_package(here: str) -> None:
    """This folder under the name that it has in a sandbox, and not on the function's path."""
    spec = importlib.util.spec_from_file_location("_groundcloud", f"{here}/__init__.py", submodule_search_locations=[here])
    assert spec is not None
    sys.modules["_groundcloud"] = importlib.util.module_from_spec(spec)
    sys.path[:] = [path for path in sys.path if path != here]


if __name__ == "__main__":
    main()
