"""AWS's SDK for Python, which AWS's Python runtimes bring along: the server's own copy, or for a Python that this copy is too new for, one that
pip or uv fetches once into the user's cache.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import os
import shutil
import sys
from pathlib import Path

# What AWS's Python runtimes bring beside the standard library.
_PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
_OLDEST = (3, 10)  # botocore's Requires-Python
# The last that run on 3.9 and before, said in full: pip reads conditions on the version with the Python that it runs on itself.
_WANTED = ("boto3<1.43", "urllib3<1.27")
_WANTED_BY = {"2.7": ("futures<3.5",)}
_FETCH_S_MAX = 60.0
_DONE = ".complete"


def own_serves(version: str) -> bool:
    """Whether the server's copy of boto3 and what it needs, all of it pure Python, runs on this version too."""
    return tuple(int(part) for part in version.split(".")) >= _OLDEST


def own_packages() -> list[str]:
    """Where the server's own copy is, each package with its metadata."""
    found: list[str] = []
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        path = Path(spec.origin)
        if path.name == "__init__.py":
            path = path.parent
        found.append(str(path))
        found += [str(p) for p in path.parent.glob(f"{name.replace('dateutil', 'python_dateutil')}-*.dist-info")]
    return found


def lack(version: str) -> str | None:
    """Why functions of this version find no boto3, as far as is known before one is fetched."""
    if own_serves(version) or (directory(version) / _DONE).exists() or _command(version):
        return None
    return f"boto3 is not preinstalled for Python {version}: neither pip nor uv is here to fetch it; put it into the package."


async def packages(version: str) -> tuple[list[str], str | None]:
    """What sandboxes of this version see as preinstalled; why that is nothing, or None."""
    if own_serves(version):
        return own_packages(), None
    target = directory(version)
    if not (target / _DONE).exists() and (failure := await _fetch(version, target)) is not None:
        return [], f"boto3 is not preinstalled for Python {version}: {failure}"
    return sorted(str(path) for path in target.iterdir() if path.name not in (_DONE, "bin", "__pycache__")), None


def directory(version: str) -> Path:
    """Where the one that was fetched for that version is."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "groundcloud" / f"python{version}-sdk"


@functools.cache
def _command(version: str) -> tuple[str, ...]:
    if importlib.util.find_spec("pip") is not None:
        return (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", "--only-binary=:all:")
    uv = shutil.which("uv")
    return (uv, "pip", "install", "--quiet", "--only-binary=:all:") if uv else ()


async def _fetch(version: str, target: Path) -> str | None:
    """Why not, or None."""
    command = _command(version)
    if not command:
        return "neither pip nor uv is here to fetch it"
    process = await asyncio.create_subprocess_exec(
        *(*command, "--python-version", version, "--upgrade", "--target", str(target), *_WANTED, *_WANTED_BY.get(version, ())),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await asyncio.wait_for(process.communicate(), _FETCH_S_MAX)
    except BaseException as failure:
        if process.returncode is None:
            process.kill()
        if isinstance(failure, TimeoutError):
            return f"it was not fetched within {_FETCH_S_MAX:.0f} s"
        raise
    if process.returncode:
        words = errors.decode(errors="replace").strip().splitlines()
        return f"it could not be fetched: {words[-1] if words else process.returncode}"
    (target / _DONE).touch()
    return None
