"""`ground deploy --debug FUNCTION`, `ground invoke FUNCTION --debug`: the function's process waits for a debugger before it loads the handler.

Python: debugpy comes from the environment that the command runs in, and goes into the function's package, or for one invocation into a layer, with a module
that waits. Node.js: its own inspector. The function gets AWS's longest timeout meanwhile; other functions are as they were. The next deployment without
the option undoes it, or the end of the invocation.
"""

from __future__ import annotations

import importlib.util
import io
import socket
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from groundcloud.cli.build import Package, add_object, write_tree

PYTHON_PORT, NODE_PORT = 5678, 9229
TIMEOUT_S = 900
MEMORY_MB_MIN = 512
_MODULE = "_ground_debug"
_LAYER = "ground-debug"
_NOT_DEBUGPYS = ("2.7", "3.6", "3.7")
_VARIABLE = "GROUND_DEBUG"
"""The function's own handler. The server neither stops a function that has it nor hurries its initialisation."""

_CALLER = "GROUND_DEBUG_CALLER"
"""A port that the command listens on as long as it waits: when it is interrupted, the function does not wait on, and the debugger's port is free."""

_WAIT = f"""import importlib
import os
import socket
import threading
import debugpy
def _end_with_caller():
    try:  # the second try that follows a process that ends in its initialisation finds nobody there
        socket.create_connection(("127.0.0.1", int(os.environ["{_CALLER}"]))).recv(1)
    finally:
        os._exit(0)
if "{_CALLER}" in os.environ:
    threading.Thread(target=_end_with_caller, daemon=True).start()
debugpy.listen(("127.0.0.1", {PYTHON_PORT}), in_process_debug_adapter=True)
print("waiting for a debugger at 127.0.0.1:{PYTHON_PORT}", flush=True)
debugpy.wait_for_client()
_module, _, _name = os.environ["{_VARIABLE}"].rpartition(".")
handler = getattr(importlib.import_module(_module.replace("/", ".")), _name)
"""
LAYERS_MAX = 5


def prepare(built: Package, logical_id: str) -> str:
    """Changes the function in a package that is about to be deployed; a sentence that says where to attach. Raises ClickException."""
    resource = (built.template.get("Resources") or {}).get(logical_id)
    if not isinstance(resource, dict) or not str(resource.get("Type", "")).endswith("::Function"):
        raise click.ClickException(f"The template has no function {logical_id!r} to debug.")
    defaults = (built.template.get("Globals") or {}).get("Function") or {}
    properties = resource["Properties"]
    runtime, handler = (str(properties.get(name, defaults.get(name, ""))) for name in ("Runtime", "Handler"))
    properties["Timeout"] = TIMEOUT_S
    properties["MemorySize"] = max(int(properties.get("MemorySize", defaults.get("MemorySize", 128))), MEMORY_MB_MIN)
    variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
    if runtime.startswith("nodejs"):
        variables["NODE_OPTIONS"] = _inspected(variables)
        return f"{logical_id} waits for an inspector at 127.0.0.1:{NODE_PORT} when it is invoked."
    if not runtime.startswith("python"):
        raise click.ClickException(f"{logical_id} is a {runtime or 'container'} function; --debug knows python* and nodejs*.")
    _check_version(runtime)
    code = properties.get("CodeUri") or properties.get("Code") or {}
    name = "Key" if "Key" in code else "S3Key"
    if code.get(name) not in built.objects:
        raise click.ClickException(f"The code of {logical_id} is not packaged here, so that no debugger can be added.")
    code[name] = add_object(built, _with_debugger(built.objects[code[name]]), ".zip")
    properties["Handler"] = f"{_MODULE}.handler"
    variables[_VARIABLE] = handler
    return f"{logical_id} waits for debugpy at 127.0.0.1:{PYTHON_PORT} when it is invoked; map /var/task to the function's folder."


@contextmanager
def waiting(lambda_: Any, function_name: str) -> Iterator[str]:
    """A function that waits for a debugger while this lasts, and is what it was afterwards; a sentence that says where to attach. Raises ClickException."""
    config = lambda_.get_function_configuration(FunctionName=function_name)
    if config["Version"] != "$LATEST":
        raise click.ClickException(
            "--debug changes $LATEST for the time of the invocation: name the function without a version or an alias."
        )
    runtime = config.get("Runtime") or ""
    if not runtime.startswith(("nodejs", "python")):
        raise click.ClickException(f"{function_name} is a {runtime or 'container'} function; --debug knows python* and nodejs*.")
    variables = (config.get("Environment") or {}).get("Variables") or {}
    layers = [layer["Arn"] for layer in config.get("Layers") or ()]
    before = {name: config[name] for name in ("Handler", "Timeout", "MemorySize")} | {
        "Environment": {"Variables": variables},
        "Layers": layers,
    }
    during = {**before, "Timeout": TIMEOUT_S, "MemorySize": max(config["MemorySize"], MEMORY_MB_MIN)}
    layer = caller = None
    if runtime.startswith("nodejs"):
        during["Environment"] = {"Variables": {**variables, "NODE_OPTIONS": _inspected(variables)}}
        sentence = f"{function_name} waits for an inspector at 127.0.0.1:{NODE_PORT}."
    else:
        _check_version(runtime)
        if len(layers) >= LAYERS_MAX:
            raise click.ClickException(f"{function_name} has {LAYERS_MAX} layers already, so that no debugger can be added.")
        made = lambda_.publish_layer_version(LayerName=_LAYER, Content={"ZipFile": _with_debugger(None, "python/")})
        layer = made["Version"]
        during["Layers"] = [*layers, made["LayerVersionArn"]]
        during["Handler"] = f"{_MODULE}.handler"
        caller = socket.create_server(("127.0.0.1", 0))
        during["Environment"] = {"Variables": {**variables, _VARIABLE: config["Handler"], _CALLER: str(caller.getsockname()[1])}}
        sentence = f"{function_name} waits for debugpy at 127.0.0.1:{PYTHON_PORT}; map /var/task to the function's folder."
    try:
        lambda_.update_function_configuration(FunctionName=function_name, **during)
        yield sentence
    finally:
        if caller is not None:
            caller.close()
        lambda_.update_function_configuration(FunctionName=function_name, **before)
        if layer is not None:
            lambda_.delete_layer_version(LayerName=_LAYER, VersionNumber=layer)


def _check_version(runtime: str) -> None:
    """Raises ClickException where the Python that runs functions of this runtime is older than debugpy's oldest."""
    from groundcloud.runtime import RuntimeNotAvailable, resolve_runtime

    try:
        version = resolve_runtime(runtime).version
    except RuntimeNotAvailable:
        return
    if version in _NOT_DEBUGPYS:
        raise click.ClickException(
            f"debugpy has no part for Python {version}, on which {runtime} functions run here: debug it on a newer runtime."
        )


def _inspected(variables: dict[str, Any]) -> str:
    return f"{variables.get('NODE_OPTIONS', '')} --inspect-brk=127.0.0.1:{NODE_PORT}".strip()


def _with_debugger(package: bytes | None, prefix: str = "") -> bytes:
    """The package, or a new one, with debugpy and the module that waits below `prefix`. Raises ClickException."""
    found: Any = importlib.util.find_spec("debugpy")
    if found is None or found.origin is None:
        raise click.ClickException("debugpy is not in this environment; `pip install debugpy` beside ground, then try again.")
    out = io.BytesIO(package or b"")
    with zipfile.ZipFile(out, "a" if package else "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        seen = set(archive.namelist())
        write_tree(archive, Path(found.origin).parent, seen, f"{prefix}debugpy/")
        archive.writestr(zipfile.ZipInfo(f"{prefix}{_MODULE}.py"), _WAIT)
    return out.getvalue()
