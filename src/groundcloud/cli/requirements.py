"""The Python packages of a function: its `requirements.txt` installed by the Python that will run it.

Installed requirements are kept by the hash of `requirements.txt` and of that Python's version, so that an edit of code packs again in milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click

Say = Callable[[str], None]
"""Told what begins to be made, where that may take long."""
REQUIREMENTS = "requirements.txt"
COMPLETE = ".complete"
_REASON_LINES_MAX = 8
_TOO_OLD = ("2.7", "3.6", "3.7", "3.8")  # to run this environment's pip


def wanted(source: Path) -> bool:
    file = source / REQUIREMENTS
    return file.is_file() and any(line.strip() and not line.strip().startswith("#") for line in file.read_text().splitlines())


def installed(source: Path, runtime: str, say: Say) -> Path:
    """A folder with the requirements of `source`. Raises ClickException with the installer's reason."""
    requirements = source / REQUIREMENTS
    interpreter, version = _interpreter(runtime)
    kept = folder("requirements", requirements.read_bytes() + version.encode())
    if (kept / COMPLETE).exists():
        return kept
    say(f"installing {requirements} for Python {version}")
    reasons = []
    for command in _commands(interpreter, version):
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        done = subprocess.run([*command, "--target", str(kept), "-r", str(requirements)], capture_output=True, text=True, cwd=source)
        if done.returncode == 0:
            (kept / COMPLETE).touch()
            return kept
        reasons.append(done.stderr or done.stdout)
    shutil.rmtree(kept, ignore_errors=True)
    lines = [line for line in reasons[-1].strip().splitlines() if not line.startswith("WARNING")]
    raise click.ClickException(f"Cannot install {requirements}:\n  " + "\n  ".join(lines[-_REASON_LINES_MAX:]))


def _commands(interpreter: str, version: str) -> list[list[str]]:
    """The first that succeeds has done it. An old Python's own pip knows it best; it may be there no more, or not understand today's indexes."""
    pip = [sys.executable, "-m", "pip"]
    options = ["install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    if version in _TOO_OLD:
        return [[interpreter, "-m", "pip", *options], [*pip, *options, "--python-version", version, "--only-binary=:all:"]]
    if shutil.which("uv") and subprocess.run([*pip, "--version"], capture_output=True).returncode:
        return [["uv", "pip", "install", "--quiet", "--python", interpreter]]
    return [[*pip, "--python", interpreter, *options]]


def folder(kind: str, content: bytes) -> Path:
    """Where what was installed for this content is kept, in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "groundcloud" / kind / hashlib.sha256(content).hexdigest()[:24]


def _interpreter(runtime: str) -> tuple[str, str]:
    """The Python that functions of this runtime run on, and its version. Compiled packages fit one version only."""
    from groundcloud.runtime.interpreters import RuntimeNotAvailable, resolve_runtime

    if runtime.startswith("python"):
        try:
            choice = resolve_runtime(runtime, fetch=True)  # as the server will
            return str(choice.root), choice.version
        except RuntimeNotAvailable:
            pass
    return sys.executable, f"{sys.version_info.major}.{sys.version_info.minor}"
