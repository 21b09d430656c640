"""What is started in a sandbox for each language: the zygote's request, the program's command line, the variables that a function finds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from groundcloud.runtime import layering, node_sdk, provision, python_sdk
from groundcloud.runtime.function import FunctionSpec, SandboxStart
from groundcloud.runtime.inside.bootstrap import LAYERS
from groundcloud.runtime.interpreters import RuntimeChoice, node_installations

SANDBOX_API_PORT = 9001  # as on AWS
TASK = "/var/task"
WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
CHANNEL_FD = 1000  # where a program that speaks frames finds its channel
_INSIDE = Path(__file__).parent / "inside"
_ADDRESS_SPACE_SLACK_MB = 4096
_SYSTEM = ("/usr/", "/bin/", "/lib/", "/nix/", "/gnu/")
_PROGRAMS_ROOT = "/var/programs"
_PATH = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"
_LOCALE = {"LC_CTYPE": "C.UTF-8"}  # `inside.old_bootstrap` takes it away again
_LIBRARY_PATH = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"


def program_binds() -> list[tuple[str, str]]:
    """Directories of programs outside the system's own, and where sandboxes see them."""
    found = []
    if (fetched := provision.prepare_node()) is not None:
        found.append((str(fetched), _PROGRAMS_ROOT + str(fetched)))
    for path in node_installations().values():
        if not str(path).startswith(_SYSTEM) and (fetched is None or fetched not in path.parents):
            prefix = path.parent.parent
            found.append((str(prefix), _PROGRAMS_ROOT + str(prefix)))
    if node_installations() and (modules := node_sdk.prepare()) is not None:
        found.append((str(modules), "/var/runtime/node_modules"))
    return found


def _inside(path: Path) -> str:
    return str(path) if str(path).startswith(_SYSTEM) else _PROGRAMS_ROOT + str(path)


def endpoint(spec: FunctionSpec) -> tuple[str, int]:
    """Host and port of the platform, as the server reaches it."""
    url = urlsplit(spec.endpoint_url or "")
    return url.hostname or "127.0.0.1", url.port or (443 if url.scheme == "https" else 80)


def environment(spec: FunctionSpec, start: SandboxStart, choice: RuntimeChoice, task_root: str, api_address: str) -> dict[str, str]:
    """AWS: Defined runtime environment variables."""
    opt = layering.root(spec.layers, task_root == TASK)
    path, libraries = _PATH.replace(layering.OPT, opt), _LIBRARY_PATH.replace(layering.OPT, opt)
    variables = {"LANG": "en_US.UTF-8", "TZ": ":UTC", "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000"}
    if choice.language == "python":
        variables |= {"PATH": f"/var/lang/bin:{path}", "LD_LIBRARY_PATH": f"/var/lang/lib:{libraries}", "PYTHONPATH": "/var/runtime"}
    else:
        variables |= {"PATH": path, "LD_LIBRARY_PATH": libraries}
    if choice.language == "node":
        modules = (
            f"{opt}/nodejs/node{choice.version}/node_modules:{opt}/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:{task_root}"
        )
        variables["NODE_PATH"] = modules
    variables |= spec.environment
    variables |= {
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": spec.handler,
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_LAMBDA_RUNTIME_API": api_address,
        "AWS_LAMBDA_FUNCTION_NAME": spec.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.function_version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group_name or f"/aws/lambda/{spec.function_name}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if spec.snap_start else "on-demand",
        **start.environment,
    }
    if choice.language != "provided":
        variables["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{spec.runtime}"
    if spec.endpoint_url and "AWS_ENDPOINT_URL" not in variables:
        url = urlsplit(spec.endpoint_url)
        inside = spec.network == "isolated" and url.hostname not in ("localhost", "127.0.0.1")
        variables["AWS_ENDPOINT_URL"] = url._replace(netloc=f"127.0.0.1:{endpoint(spec)[1]}").geturl() if inside else spec.endpoint_url
    return variables


def about(spec: FunctionSpec) -> dict[str, str]:
    """What an extension is told when it registers."""
    about = {"functionName": spec.function_name, "functionVersion": spec.function_version, "handler": spec.handler}
    return {**about, "accountId": spec.account_id} if spec.account_id else about


def task_root(spec: FunctionSpec, namespaces: bool) -> str:
    return TASK if namespaces else str(spec.code_path)


def set_up(spec: FunctionSpec, variables: Mapping[str, str], root: str) -> dict[str, Any]:
    """For a runtime that was started without its function."""
    return {"environment": dict(variables), "handler": spec.handler, "runtime": spec.runtime, "task_root": root}


def speaks_api(spec: FunctionSpec, choice: RuntimeChoice, namespaces: bool) -> tuple[bool, bool]:
    """Whether the runtime uses the Runtime API; whether it may: a wrapper may start something else than what it was given."""
    wrapped = bool(spec.environment.get(WRAPPER))
    always = choice.language == "provided" or (choice.language == "python" and (wrapped or choice.program is not None))
    return always, always or wrapped


def program(spec: FunctionSpec, choice: RuntimeChoice, namespaces: bool) -> dict[str, Any] | None:
    """The commands to try, None for the interpreter that the zygote is."""
    opt = layering.root(spec.layers, namespaces)
    wrapper = spec.environment.get(WRAPPER)
    if wrapper and not namespaces:
        wrapper = layering.named(wrapper, opt, str(spec.code_path))
    if choice.language == "python":
        if choice.program is not None and not namespaces:
            layers = [opt] if spec.layers else [""]
            runtime = [str(_INSIDE / "old_bootstrap.py"), str(python_sdk.directory(choice.version)), *layers]
            return {
                "channel": False,
                "candidates": [[*([wrapper] if wrapper else []), str(choice.program), *runtime]],
                "environment": _LOCALE,
            }
        if not wrapper and (not namespaces or choice.program is None):
            return None
        if not namespaces:
            command = [str(choice.path), str(_INSIDE / "bootstrap.py")]
            return {"channel": False, "candidates": [[str(wrapper), *command]], "environment": {LAYERS: opt}}
        command = [f"/var/lang/bin/{(choice.program or choice.path).name}", "/var/runtime/bootstrap.py"]
        extra = _LOCALE if choice.program is not None else {}
        return {"channel": False, "candidates": [[wrapper, *command] if wrapper else command], "environment": extra}
    if choice.language == "provided":
        roots = ("/var/task", "/opt") if namespaces else (str(spec.code_path), *map(str, spec.layers[::-1]))
        return {"channel": False, "candidates": [[f"{root}/bootstrap"] for root in roots]}
    assert choice.program is not None
    main = "/var/runtime/_groundcloud/node/main.cjs" if namespaces else str(_INSIDE / "node" / "main.cjs")
    node = _inside(choice.program) if namespaces else str(choice.program)
    command = [node, main, str(CHANNEL_FD)]
    return {"channel": True, "candidates": [[wrapper, *command] if wrapper else command]}


def listeners(spec: FunctionSpec) -> list[int] | None:
    """Ports inside a network of the sandbox's own: of its APIs and of the platform. None: the host's network."""
    if spec.network == "host":
        return None
    return [SANDBOX_API_PORT, *([endpoint(spec)[1]] if spec.endpoint_url else [])]


def extensions(spec: FunctionSpec, namespaces: bool) -> dict[str, str]:
    """The external extensions of the layers: paths by name."""
    opt, found = layering.root(spec.layers, namespaces), {}
    for layer in spec.layers:
        try:
            entries = sorted(os.scandir(layer / "extensions"), key=lambda entry: entry.name)
        except OSError:
            continue
        found.update({entry.name: f"{opt}/extensions/{entry.name}" for entry in entries if entry.is_file()})
    return found


def request(
    spec: FunctionSpec,
    choice: RuntimeChoice,
    *,
    namespaces: bool,
    limited: bool,
    uid: int,
    into_cgroup: bool,
    template: bool = False,
) -> dict[str, Any]:
    """What the zygote is asked for: nothing secret, for its memory is that of every sandbox to come (see `Sandbox.tell_environment`). `limited`: a control group limits the memory."""
    wanted = program(spec, choice, namespaces)
    return {
        "runtime": spec.runtime,
        "handler": spec.handler,
        "code": str(spec.code_path) if spec.key else None,
        "layers": [str(path) for path in spec.layers],
        "task_root": task_root(spec, namespaces),
        "layer_root": layering.root(spec.layers, namespaces) if spec.layers else "",
        "ephemeral_mb": spec.ephemeral_mb,
        # A program such as Node.js reserves far more than it uses.
        "address_space_mb": None if limited or wanted is not None else spec.memory_mb + _ADDRESS_SPACE_SLACK_MB,
        # Without a control group, what no process need hold: the namespace's segments of shared memory.
        "shared_mb": None if limited else spec.memory_mb,
        "uid": uid,
        "into_cgroup": into_cgroup,
        "program": wanted,
        "listeners": listeners(spec),
        "template": template,
        "extensions": [*extensions(spec, namespaces).values()],
    }
