"""Docker or Podman, by their command: which one answers, what it knows of an image, and how a container of a function is started.

The command is what both have everywhere; a socket is not. An engine is looked for when the first image is asked for, and again as long as none
was found. Nothing is pulled: an image is there or it is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_ANSWER_S_MAX = 20.0
_NAMES = ("docker", "podman")
# AWS: Lambda quotas: 1,024 file descriptors; 1,024 processes and threads.
_FILES_MAX = _PROCESSES_MAX = 1024
# AWS: "Configure Lambda function memory": 1,769 MB are one virtual CPU.
_MB_PER_CPU = 1769
_SHARES_PER_CPU = 1024
_SHARES_MIN = 2
_ECR = ".dkr.ecr."
# Above what the pool gives to sandboxes of its own.
OWN_USERS = (0x7110_0000, 0x7110_0000, 65536)
_USERS_OF_IMAGES = 1000
_NOBODY = "65534:65534"
_EXTENSIONS = "/opt/extensions"
_TAR_BYTES_MAX = 2 * 1024**3
# What the engine's own command would heed: their values are given by argument, not through its environment.
_HEEDED = (
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "GODEBUG",
    "GOMAXPROCS",
    "GOMEMLIMIT",
    "GOGC",
    "NOTIFY_SOCKET",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
_HEEDED_PREFIXES = ("LD_", "XDG_", "DOCKER", "PODMAN", "CONTAINER", "BUILDAH", "STORAGE_", "REGISTRY_", "DBUS_", "LC_")


class EngineMissing(Exception):
    """No engine answers; the sentence says what was tried."""


class ImageMissing(Exception):
    """The engine has no image of that name."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """`image_id` names the content, whatever becomes of the tag. `digest` is 64 hex digits: of the manifest where there is one, else of the image."""

    image_id: str
    digest: str
    architecture: str
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """What a function of an image runs: the whole command line, made of the image's and the configuration's."""

    image_id: str
    arguments: tuple[str, ...]
    working_directory: str = ""
    extensions: tuple[str, ...] = ()
    """Programs, by path; then the working directory is the image's where the configuration names none."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """`remote`: its containers run on another machine or in another virtual one (Docker Desktop, `podman machine`)."""

    name: str
    path: str
    rootless: bool
    remote: bool
    memory_limits: bool
    cpu_limits: bool
    process_limits: bool
    users: tuple[int, int, int] = (0, 0, 0)
    """Of which each container has one to itself: the first as containers see it, the first as this machine does, and how many. None: all share one."""

    @property
    def is_podman(self) -> bool:
        return self.name == "podman"

    @property
    def host_name(self) -> str:
        """Of the server's machine, as containers of a remote engine see it."""
        return "host.containers.internal" if self.is_podman else "host.docker.internal"

    async def image(self, reference: str) -> Image:
        """Raises ImageMissing. An image in a registry of AWS may be there under the name without the registry."""
        names = [reference]
        if _ECR in reference.partition("/")[0]:
            names.append(reference.partition("/")[2])
        for name in names:
            status, out, _ = await _ask(self.path, "image", "inspect", name)
            if status == 0 and (found := _described(out)) is not None:
                return found
        raise ImageMissing(reference)

    async def extensions(self, name: str, image_id: str) -> tuple[str, ...]:
        """The files of its /opt/extensions, by path, in order; looked up in a container of that name, which never runs."""
        status, _, _ = await _ask(self.path, "create", "--pull=never", f"--name={name}", "--network=none", image_id, "/")
        if status != 0:
            return ()
        try:
            return await _listed(self.path, "cp", f"{name}:{_EXTENSIONS}", "-")
        finally:
            await _ask(self.path, "rm", "--force", name)

    async def container_names(self, prefix: str) -> list[str]:
        _, out, _ = await _ask(self.path, "ps", "--all", "--filter", f"name=^{prefix}", "--format", "{{.Names}}")
        return [name for name in out.decode(errors="replace").split() if name.startswith(prefix)]

    async def remove(self, *names: str) -> bool:
        """Ends them, whatever they do. False if one of them is not there (yet)."""
        for start in range(0, len(names), 50):
            if self.is_podman:  # whose removal would wait ten seconds for an end in peace
                await _ask(self.path, "kill", *names[start : start + 50])
            status, _, _ = await _ask(self.path, "rm", "--force", *names[start : start + 50])
            if status != 0:
                return False
        return True

    async def start_waiting(self, name: str, image: str, program: str, archive: Callable[[], bytes]) -> int:
        """A container without a network that runs a program which does nothing; its process, 0 if that fails. The image is made where it is missing."""
        status, _, _ = await _ask(self.path, "image", "inspect", image)
        if status != 0:
            with tempfile.NamedTemporaryFile(suffix=".tar") as file:
                file.write(archive())
                file.flush()
                await _ask(self.path, "import", file.name, image)
        words = [self.path, "run", "--detach", "--rm", "--pull=never", f"--name={name}", "--network=none", f"--user={_NOBODY}"]
        words += ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", f"--ulimit=nofile={_FILES_MAX}:{_FILES_MAX}"]
        words += [f"--ulimit=nproc={_allowed_processes()}:{_allowed_processes()}", f"--entrypoint={program}", image]
        status, _, _ = await _ask(*words)
        return await self.pid(name) if status == 0 else 0

    async def set_paused(self, name: str, pids: Sequence[int], *, paused: bool) -> None:
        """Without root and with control groups of version 1 Podman cannot; then its `pids` are sent signals by who is root in its user namespace."""
        status, _, _ = await _ask(self.path, "pause" if paused else "unpause", name)
        if status != 0 and self.is_podman and self.rootless and not self.remote and pids:
            await _ask(self.path, "unshare", "kill", "-STOP" if paused else "-CONT", *map(str, pids))

    async def is_running(self, name: str) -> bool:
        _, out, _ = await _ask(self.path, "inspect", "--format", "{{.State.Running}}", name)
        return out.strip() == b"true"

    async def pid(self, name: str) -> int:
        """Of its first process, 0 where that cannot be told."""
        _, out, _ = await _ask(self.path, "inspect", "--format", "{{.State.Pid}}", name)
        text = out.decode(errors="replace").strip()
        return int(text) if text.isdecimal() else 0

    def command(
        self,
        name: str,
        container: ContainerSpec,
        variables: Mapping[str, str],
        *,
        network: str,
        user: str,
        memory_mb: int,
        ephemeral_mb: int,
        pid_file: Path | None,
    ) -> tuple[list[str], dict[str, str]]:
        """Arguments and environment of the command that runs a container and ends with it.

        The function's variables, its credentials among them, go through the environment: arguments are for everyone of the machine to read.
        """
        entry, *rest = container.arguments
        words = [self.path, "run", "--rm", "--pull=never", f"--name={name}", f"--network={network}", f"--user={user}"]
        words += [f"--ulimit=nofile={_FILES_MAX}:{_FILES_MAX}", "--ulimit=core=1:1"]
        if self.users[2] and not self.remote:
            processes = _allowed_processes()
            words += [f"--ulimit=nproc={processes}:{processes}"]  # counted by user, who is the container's own
        words += [
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--read-only",
            f"--tmpfs=/tmp:rw,exec,mode=1777,size={ephemeral_mb}m{',notmpcopyup' if self.is_podman else ''}",
        ]
        if self.is_podman:
            words += ["--read-only-tmpfs=false", "--http-proxy=false"]
            words += ["--log-driver=none"] if self.remote else ["--log-driver=passthrough"]
            words += [f"--pidfile={pid_file}"] if pid_file is not None else []
        else:
            words += ["--log-driver=none", "--userns=host"]
        if self.memory_limits:
            # /tmp is memory too and counts; what the processes hold beyond memory_mb is watched from outside, where they can be seen.
            limit_mb = memory_mb if self.remote else memory_mb + ephemeral_mb
            words += [f"--memory={limit_mb}m", f"--memory-swap={limit_mb}m"]
        if self.cpu_limits:
            words += [f"--cpu-shares={max(_SHARES_MIN, memory_mb * _SHARES_PER_CPU // _MB_PER_CPU)}"]
        if self.process_limits:
            words += [f"--pids-limit={_PROCESSES_MAX}"]
        if self.remote:
            words += [f"--add-host={self.host_name}:host-gateway"]
        if container.working_directory:
            words += [f"--workdir={container.working_directory}"]
        given, environment = _variables(variables)
        return [*words, *given, f"--entrypoint={entry}", container.image_id, *rest], environment

    def exec_command(
        self, name: str, arguments: Sequence[str], variables: Mapping[str, str], working_directory: str
    ) -> tuple[list[str], dict[str, str]]:
        """As `command`, of a program that is brought into a container that runs."""
        given, environment = _variables(variables)
        return [self.path, "exec", f"--workdir={working_directory}", *given, name, *arguments], environment


async def find() -> Engine:
    """The first that answers: Docker, then Podman; GROUND_CONTAINER_ENGINE names one of them. Raises EngineMissing."""
    wanted = os.environ.get("GROUND_CONTAINER_ENGINE")
    tried = []
    for name in (wanted,) if wanted else _NAMES:
        path = shutil.which(name)
        if path is None:
            tried.append(f"{name}: not found")
            continue
        status, out, complaint = await _ask(path, "info", "--format", "{{json .}}")
        try:
            known = json.loads(out) if status == 0 else {}
        except ValueError:
            known = {}
        is_podman = name.endswith("podman") or "host" in known
        # Docker's command answers without its server, and says so in a list of errors.
        if status != 0 or not isinstance(known, dict) or not (known.get("host") if is_podman else known.get("ServerVersion")):
            reasons = known.get("ServerErrors") if isinstance(known, dict) else None
            said = str(reasons[0]) if reasons else complaint.decode(errors="replace").strip() or "no answer"
            tried.append(f"{name}: {said.splitlines()[0]}")
            continue
        engine = _podman(path, known["host"]) if is_podman else _docker(path, known)
        if not engine.is_podman and engine.rootless:
            tried.append("docker: it runs without root, and its containers cannot reach the Runtime API of this server")
            continue
        if not engine.remote and bool((known.get("host") or {}).get("security", {}).get("rootless")) and not engine.users[2]:
            tried.append("podman: this user has no subordinate users, as whom functions would run (see subuid(5))")
            continue
        return engine
    raise EngineMissing("; ".join(tried))


def _variables(variables: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of a command that hands them on."""
    words: list[str] = []
    environment = dict(os.environ)
    for variable, value in variables.items():
        if variable in _HEEDED or variable.startswith(_HEEDED_PREFIXES) or variable.lower().endswith("_proxy"):
            words += ["--env", f"{variable}={value}"]
        else:
            words += ["--env", variable]
            environment[variable] = value
    return words, environment


def _podman(path: str, host: Mapping[str, Any]) -> Engine:
    controllers = host.get("cgroupControllers") or ()
    rootless = bool((host.get("security") or {}).get("rootless"))
    return Engine(
        name="podman",
        path=path,
        rootless=rootless or not _owns_users(),
        users=_subordinates(host) if rootless else OWN_USERS if _owns_users() else (0, 0, 0),
        remote=bool(host.get("serviceIsRemote")) or sys.platform != "linux",
        memory_limits="memory" in controllers,
        cpu_limits="cpu" in controllers,
        process_limits="pids" in controllers,
    )


def _docker(path: str, known: Mapping[str, Any]) -> Engine:
    return Engine(
        name="docker",
        path=path,
        rootless=any("rootless" in str(option) for option in known.get("SecurityOptions") or ()),
        remote=sys.platform != "linux" or "Docker Desktop" in str(known.get("OperatingSystem")),
        memory_limits=bool(known.get("MemoryLimit")),
        cpu_limits=bool(known.get("CPUShares")),
        process_limits=bool(known.get("PidsLimit")),
        users=OWN_USERS,
    )


def _subordinates(host: Mapping[str, Any]) -> tuple[int, int, int]:
    """The largest range of users of a Podman without root; the first of them are for what an image says of itself."""
    found = [
        (int(part["container_id"]) + _USERS_OF_IMAGES, int(part["host_id"]) + _USERS_OF_IMAGES, int(part["size"]) - _USERS_OF_IMAGES)
        for part in (host.get("idMappings") or {}).get("uidmap") or ()
    ]
    return max((users for users in found if users[2] > 0), key=lambda users: users[2], default=(0, 0, 0))


def _allowed_processes() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return _PROCESSES_MAX if hard == resource.RLIM_INFINITY else min(_PROCESSES_MAX, hard)


def _owns_users() -> bool:
    """Whether a container can be given any user of the machine: not in a user namespace with few of them."""
    try:
        with open("/proc/self/uid_map") as file:
            return any(int(line.split()[2]) >= 2**31 for line in file)
    except OSError:
        return True


def _described(out: bytes) -> Image | None:
    try:
        found = json.loads(out)[0]
    except (ValueError, LookupError):
        return None
    config = found.get("Config") or {}
    named: Sequence[str] = found.get("RepoDigests") or ()
    digest = str(found.get("Digest") or (named[0].rpartition("@")[2] if named else "") or found["Id"])
    return Image(
        image_id=str(found["Id"]),
        digest=digest.removeprefix("sha256:"),
        architecture=str(found.get("Architecture") or ""),
        entry_point=_words(config.get("Entrypoint")),
        command=_words(config.get("Cmd")),
        working_directory=str(config.get("WorkingDir") or ""),
    )


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


async def _ask(*arguments: str) -> tuple[int, bytes, bytes]:
    """Status, output and complaint of one command; status -1 where it took too long or could not be started."""
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        return -1, b"", str(error).encode()
    try:
        out, complaint = await asyncio.wait_for(process.communicate(), _ANSWER_S_MAX)
    except TimeoutError:
        process.kill()
        return -1, b"", f"no answer within {_ANSWER_S_MAX:.0f} seconds".encode()
    return process.returncode or 0, out, complaint


async def _listed(*arguments: str) -> tuple[str, ...]:
    """The files right below the directory whose archive the command writes."""
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    with tempfile.TemporaryFile() as archive:
        size_bytes = 0
        while (chunk := await process.stdout.read(1 << 20)) and size_bytes < _TAR_BYTES_MAX:
            size_bytes += len(chunk)
            archive.write(chunk)
        await process.wait()
        archive.seek(0)
        return await asyncio.to_thread(_programs, archive)


def _programs(archive: IO[bytes]) -> tuple[str, ...]:
    try:
        with tarfile.open(fileobj=archive) as tar:
            found = [entry.name.strip("/") for entry in tar if not entry.isdir()]
    except tarfile.ReadError:  # there is no such directory
        return ()
    names = [name.rpartition("/")[2] for name in found if name.count("/") == 1]
    return tuple(f"{_EXTENSIONS}/{name}" for name in sorted(names))
