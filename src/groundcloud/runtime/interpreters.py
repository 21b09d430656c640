"""Which interpreter runs a runtime identifier."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PYTHON = re.compile(r"python(\d)\.(\d{1,2})")
_MINOR_MAX = 20
_OLDEST = (3, 9)  # that the code inside sandboxes runs on


class RuntimeNotAvailable(Exception):
    """No interpreter on this machine runs it; the sentence says which are there."""


@dataclass(frozen=True)
class RuntimeChoice:
    """`warning` is a sentence for the user where the interpreter is not the one asked for; `own`: it is the server's."""

    path: Path
    version: str
    warning: str | None
    own: bool


@functools.cache
def resolve_runtime(identifier: str) -> RuntimeChoice:
    """The interpreter for `python3.12` and the like: the same minor version, else the nearest newer one, else the newest.

    Raises RuntimeNotAvailable for other languages.
    """
    match = _PYTHON.fullmatch(identifier)
    if match is None:
        raise RuntimeNotAvailable(f"Runtime {identifier} cannot run here: only Python runtimes are implemented.")
    wanted = (int(match[1]), int(match[2]))
    own = sys.version_info[:2]
    if wanted == own:
        return RuntimeChoice(_own_interpreter(), f"{own[0]}.{own[1]}", None, True)
    exact = _installed(wanted)
    sdk = "boto3 is not preinstalled for it: the server's own copy serves Python {}.{} only.".format(*own)
    if exact is not None:
        return RuntimeChoice(exact, f"{wanted[0]}.{wanted[1]}", sdk, False)
    newer = [(3, minor) for minor in range(wanted[1] + 1 if wanted[0] == 3 else 0, _MINOR_MAX)]
    for version in newer:
        warning = f"{identifier} is not installed; the function runs on Python {version[0]}.{version[1]}."
        if version == own:
            return RuntimeChoice(_own_interpreter(), f"{own[0]}.{own[1]}", warning, True)
        found = _installed(version)
        if found is not None:
            return RuntimeChoice(found, f"{version[0]}.{version[1]}", f"{warning} {sdk}", False)
    warning = f"{identifier} is not installed, nor anything newer; the function runs on Python {own[0]}.{own[1]}."
    return RuntimeChoice(_own_interpreter(), f"{own[0]}.{own[1]}", warning, True)


def _own_interpreter() -> Path:
    """The interpreter behind the virtual environment, if the server runs in one."""
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return base if base.exists() else Path(getattr(sys, "_base_executable", None) or sys.executable)


def _installed(version: tuple[int, int]) -> Path | None:
    """That version on the path, if it starts (a version manager's shim may be there without the version)."""
    if version < _OLDEST:
        return None
    name = f"python{version[0]}.{version[1]}"
    found = shutil.which(name)
    if found is None:
        return None
    try:
        answer = subprocess.run(
            [found, "-S", "-E", "-c", "import sys; print(sys.base_prefix)"], capture_output=True, timeout=10, check=True, text=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    real = Path(answer.stdout.strip()) / "bin" / name
    return real if real.exists() else Path(found)
