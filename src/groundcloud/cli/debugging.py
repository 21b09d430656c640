"""`ground deploy --debug FUNCTION`: the function's process waits for a debugger before it loads the handler.

Python: debugpy comes from the environment that the command runs in, and goes into the function's package with a module that waits. Node.js: its own
inspector. The function gets AWS's longest timeout meanwhile; other functions are as they were. The next deployment without the option undoes it.
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from pathlib import Path
from typing import Any

import click

from groundcloud.cli.build import Package, add_object, write_tree

PYTHON_PORT, NODE_PORT = 5678, 9229
TIMEOUT_S = 900
MEMORY_MB_MIN = 512
_MODULE = "_ground_debug"
_WAIT = """import importlib
import debugpy
debugpy.listen(("127.0.0.1", {port}), in_process_debug_adapter=True)
print("waiting for a debugger at 127.0.0.1:{port}", flush=True)
debugpy.wait_for_client()
_module, _, _name = {handler!r}.rpartition(".")
handler = getattr(importlib.import_module(_module.replace("/", ".")), _name)
"""


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
    if runtime.startswith("nodejs"):
        variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
        variables["NODE_OPTIONS"] = f"{variables.get('NODE_OPTIONS', '')} --inspect-brk=127.0.0.1:{NODE_PORT}".strip()
        return f"{logical_id} waits for an inspector at 127.0.0.1:{NODE_PORT} when it is invoked."
    if not runtime.startswith("python"):
        raise click.ClickException(f"{logical_id} is a {runtime or 'container'} function; --debug knows python* and nodejs*.")
    code = properties.get("CodeUri") or properties.get("Code") or {}
    name = "Key" if "Key" in code else "S3Key"
    if code.get(name) not in built.objects:
        raise click.ClickException(f"The code of {logical_id} is not packaged here, so that no debugger can be added.")
    code[name] = add_object(built, _with_debugger(built.objects[code[name]], handler), ".zip")
    properties["Handler"] = f"{_MODULE}.handler"
    return f"{logical_id} waits for debugpy at 127.0.0.1:{PYTHON_PORT} when it is invoked; map /var/task to the function's folder."


def _with_debugger(package: bytes, handler: str) -> bytes:
    found: Any = importlib.util.find_spec("debugpy")
    if found is None or found.origin is None:
        raise click.ClickException("debugpy is not in this environment; `pip install debugpy` beside ground, then try again.")
    out = io.BytesIO(package)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        seen = set(archive.namelist())
        write_tree(archive, Path(found.origin).parent, seen, "debugpy/")
        archive.writestr(zipfile.ZipInfo(f"{_MODULE}.py"), _WAIT.format(port=PYTHON_PORT, handler=handler))
    return out.getvalue()
