"""The zygote: an interpreter with AWS's SDK imported, single-threaded, that forks a sandbox for each request of the server.

First stage (`main` without "stage"): becomes able to build the root, builds it, executes itself inside. Second stage: imports what every
function is likely to use, says hello, and serves. A request is one message of JSON with descriptors beside it; the answer is the
number of the request, and the descriptor of the new process. Ends when the server closes the socket or dies.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from typing import Any

from . import answers, holes, landlock, linux, program, python_runtime, root, sandbox, sdk, seccomp, small_init
from .control import Control

CONTROL_FD = 3
_LIBRARY_PATH = "{}/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"

# What the SDK imports only when it is used first, and every function that uses it would pay for.
_PRELOAD = (
    "boto3",
    "boto3.dynamodb.conditions",
    "boto3.dynamodb.transform",
    "boto3.resources.factory",
    "boto3.s3.transfer",
    "botocore.auth",
    "botocore.client",
    "botocore.endpoint_provider",
    "botocore.httpsession",
    "botocore.regions",
    "botocore.retries.standard",
    "botocore.session",
    "botocore.signers",
    "concurrent.futures.thread",
    "dataclasses",
    "urllib.request",
    "uuid",
    "secrets",
    "random",
)


def main() -> None:
    if sys.argv[1].isdigit():
        with open(int(sys.argv[1])) as handed_over:
            settings = json.load(handed_over)
        sys.argv.pop()
    else:
        settings = json.loads(sys.argv[1])
    if sys.platform == "linux":
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if "stage" not in settings and os.getppid() != settings["server_pid"]:
            os._exit(0)
    if "stage" in settings:
        _serve(settings)
    else:
        os.setsid()
        if settings["control_fd"] != CONTROL_FD:
            os.dup2(settings["control_fd"], CONTROL_FD)
            os.close(settings["control_fd"])
        _first_stage(settings)


def _first_stage(settings: dict[str, Any]) -> None:
    missing: dict[str, str] = dict(settings["missing"])
    settings["stage"] = {"namespaces": False, "missing": missing}
    if settings["plain"] is not None:
        missing["namespaces"] = settings["plain"]
        _serve(settings)
        return
    try:
        if os.geteuid() != 0 or not root.may_mount():
            root.enter_user_namespace()
        prefix = root.LANGUAGE_PREFIX if settings["language"] is None else root.ZYGOTE_PREFIX
        interpreter = root.interpreter_path(prefix)
        namespaces = root.build(settings["packages"], settings["binds"], settings["language"])
        settings["stage"].update(namespaces=True, host_fd=namespaces.host_fd, sandbox_fd=namespaces.sandbox_fd)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        library_path = _LIBRARY_PATH.format(prefix)
        environment = {"LANG": "en_US.UTF-8", "TZ": ":UTC", "PATH": f"{prefix}/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": library_path}
        boot = "import sys; sys.path.insert(0, '/var/runtime'); from _groundcloud.zygote import main; main()"
        os.set_inheritable(CONTROL_FD, True)
        # Not as an argument: the sandboxes' command lines are the zygote's, and these settings name places of the host.
        reader, writer = os.pipe()
        os.write(writer, json.dumps(settings).encode())
        os.close(writer)
        os.set_inheritable(reader, True)
        os.execve(interpreter, [interpreter, "-S", "-E", "-X", "utf8", "-c", boot, str(reader)], environment)
    except Exception as error:
        # Half-way through, this process cannot be used any more: the server starts another one, told why.
        Control(CONTROL_FD, framed=settings["framed"]).tell({"failed": f"{type(error).__name__}: {error}"})
        os._exit(1)


def _preload(packages: list[str], standard: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Imports; the top-level names that came with them, and those that are not of the standard library."""
    own = set(sys.modules)
    sys.path[:] = standard
    for name in _PRELOAD:
        try:
            __import__(name)
        except ImportError:
            continue
    sdk.warm()
    answers.install()
    third_party = frozenset(os.path.basename(p).partition(".")[0] for p in packages if not p.endswith(".dist-info"))
    preloaded = frozenset(name.partition(".")[0] for name in set(sys.modules) - own)
    return preloaded - {"__main__", "_groundcloud", "__mp_main__"}, third_party & preloaded


def _serve(settings: dict[str, Any]) -> None:
    stage = settings["stage"]
    missing: dict[str, str] = stage["missing"]
    namespaces: bool = stage["namespaces"]
    if not namespaces:
        runtime_paths = sorted({os.path.dirname(p) for p in settings["packages"]})
    else:
        runtime_paths = ["/var/runtime"]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = [p for p in sys.path if p and "site-packages" not in p and p not in ("/var/runtime", *runtime_paths)]
    standard = [*runtime_paths, *library]
    if namespaces:
        standard.append(f"/var/lang/lib/{version}/site-packages")
    import site

    site.setquit()
    site.sethelper()
    # Nothing of the zygote's is used by functions that another Python runs.
    other = settings["language"] is not None
    preloaded, third_party = (frozenset[str](), frozenset[str]()) if other else _preload(settings["packages"], standard)
    walls = _walls(namespaces, missing)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = Control(CONTROL_FD, framed=settings["framed"])
    os.close(CONTROL_FD)
    for path in [path for path in sys.path_importer_cache if path not in standard]:
        del sys.path_importer_cache[path]
    python_runtime.prepare()
    os.environ.clear()
    gc.collect()
    holes.fill()
    gc.freeze()
    hello = {"namespaces": namespaces, "missing": missing, "version": sys.version.split()[0], "rss_kb": python_runtime.rss_kb()}
    control.tell(hello)
    while True:
        request, descriptors = control.receive()
        if request is None:
            os._exit(0)
        try:
            if request.get("attach"):
                _attach(request, descriptors[0], stage)
                pid, pidfd = 0, -1
            else:
                pid, pidfd = _start(request, descriptors, walls, stage, standard, preloaded, third_party, control)
        except OSError as error:
            control.tell({"id": request["id"], "error": str(error)})
        else:
            control.tell({"id": request["id"], "pid": pid}, [pidfd] if pidfd >= 0 else [])
            if pidfd >= 0:
                os.close(pidfd)
        for fd in descriptors:
            os.close(fd)


def _walls(namespaces: bool, missing: dict[str, str]) -> sandbox.Walls:
    """Finds out what there is; names what is missing, and why."""
    if not namespaces:
        for feature in ("seccomp", "landlock", "own /proc"):
            missing.setdefault(feature, "used only together with namespaces")
        return sandbox.Walls(False, False, None, 0)
    filter_bytes = seccomp.program(linux.MACHINE)
    if filter_bytes is None:
        missing["seccomp"] = f"no table of system calls for {linux.MACHINE}"
    elif error := _attempt(lambda: _filter(filter_bytes)):
        missing["seccomp"], filter_bytes = error, None
    abi = landlock.version()
    if not abi:
        missing["landlock"] = "the kernel has none, or it is not enabled"
    elif abi < 6:
        missing["landlock scopes"] = f"landlock ABI {abi}; the host's abstract sockets are walled off from 6"
    flags = linux.CLONE_NEWNS | linux.CLONE_NEWPID
    proc_error = _attempt(lambda: linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC), flags)
    if proc_error:
        missing["own /proc"] = proc_error
    small = small_init.fits() and _attempt(small_init.try_out, linux.CLONE_NEWPID) is None
    return sandbox.Walls(True, not proc_error, filter_bytes, abi, small, os.getpid())


def _filter(filter_bytes: bytes) -> None:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(filter_bytes)


def _attempt(action: Any, flags: int = 0) -> str | None:
    """Tries it in a child; the error's text, or None."""
    reader, writer = os.pipe()
    pid, pidfd = linux.clone(flags)
    if pid == 0:
        status = 1
        try:
            action()
            status = 0
        except OSError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(status)
    os.close(writer)
    os.close(pidfd)
    with open(reader) as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    return text or (None if status == 0 else f"ended with status {status}")


def _start(
    request: dict[str, Any],
    descriptors: list[int],
    walls: sandbox.Walls,
    stage: dict[str, Any],
    standard: list[str],
    preloaded: frozenset[str],
    third_party: frozenset[str],
    control: Control,
) -> tuple[int, int]:
    """Forks the sandbox: its process id and descriptor. In the child, never returns."""
    channel, log, status, *rest = descriptors
    extensions_log = rest.pop(0) if request["extensions"] else -1
    cgroup_fd = rest.pop() if request["into_cgroup"] else None
    code = layers = -1
    if walls.namespaces:
        if request["code"] is not None:
            code, layers = _take_hold(request, stage, stage["sandbox_fd"])
        flags = linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
        if request["listeners"] is not None:
            flags |= linux.CLONE_NEWNET
        pid, pidfd = linux.clone(flags, cgroup_fd=cgroup_fd)
    else:
        pid, pidfd = os.fork(), -1
    if pid == 0:
        fds = sandbox.Descriptors(channel, log, status, rest, code, layers, extensions_log)
        if request["program"] is not None:
            sandbox.live(request, fds, walls, lambda fd: program.start(request, fd))
        sandbox.live(request, fds, walls, lambda fd: python_runtime.start(request, fd, standard, preloaded, third_party, walls))
    for fd in (code, layers):
        if fd >= 0:
            os.close(fd)
    return pid, pidfd


def _take_hold(request: dict[str, Any], stage: dict[str, Any], then: int) -> tuple[int, int]:
    """Detached mounts of the function's code and layers (-1 without); afterwards this process is in the namespaces of `then`."""
    code = layers = -1
    linux.call("setns", stage["host_fd"], linux.CLONE_NEWNS)
    try:
        code = linux.detached_bind(request["code"], read_only=True)
        if len(request["layers"]) == 1:
            layers = linux.detached_bind(request["layers"][0], read_only=True)
        elif request["layers"]:
            layers = linux.detached_overlay(request["layers"][::-1])
    finally:
        linux.call("setns", then, linux.CLONE_NEWNS)
    return code, layers


def _attach(request: dict[str, Any], pidfd: int, stage: dict[str, Any]) -> None:
    """Puts a function into a sandbox that waits for one; `pidfd` is its init's."""
    code = layers = -1
    try:
        code, layers = _take_hold(request, stage, pidfd)
        linux.attach(code, "/var/task")
        if layers >= 0:
            linux.attach(layers, "/opt")
        size_mb = request["ephemeral_mb"]
        options = f"size={size_mb}m,nr_inodes={size_mb * 256}"
        linux.mount("tmp", "/tmp", "tmpfs", linux.MS_REMOUNT | linux.MS_NOSUID | linux.MS_NODEV, options)
    finally:
        linux.call("setns", stage["sandbox_fd"], linux.CLONE_NEWNS)
        for fd in (code, layers):
            if fd >= 0:
                os.close(fd)
