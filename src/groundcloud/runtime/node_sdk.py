"""AWS's SDK for JavaScript, which AWS's Node.js runtimes bring along: found on this machine, or fetched once with npm, for a function that imports it
and does not bring it.

Sandboxes see the directory at /var/runtime/node_modules, where CommonJS finds it along NODE_PATH and ES modules by /node_modules.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

# The clients that functions use most; AWS brings all of them. aws-sdk (version 2) is what runtimes up to nodejs16.x brought.
_CLIENTS = """
apigatewaymanagementapi bedrock-runtime cloudwatch cloudwatch-logs cognito-identity-provider dynamodb eventbridge firehose iam kinesis kms lambda
s3 scheduler secrets-manager ses sesv2 sfn sns sqs ssm sts
"""
_LIBRARIES = ("lib-dynamodb", "lib-storage", "s3-request-presigner", "util-dynamodb")
PACKAGES = ("aws-sdk@2", *(f"@aws-sdk/client-{name}" for name in _CLIENTS.split()), *(f"@aws-sdk/{name}" for name in _LIBRARIES))
_FETCH_S_MAX = 300.0
_DONE = ".complete"
_WAIT_S_MAX = 60.0  # that an invocation waits for it
_AGAIN_S = 60.0  # after npm has failed
_KNOWN_MAX = 1000
_IMPORT = re.compile(rb"""(?:\brequire\(|\bfrom|\bimport\(?)\s*["'`](@aws-sdk/|aws-sdk["'`/])""")
_SOURCES = (".js", ".mjs", ".cjs")
_READ_FILES_MAX, _READ_BYTES_MAX = 1000, 32 * 1024 * 1024


@functools.cache
def directory() -> Path:
    """The `node_modules` that has it, or is to have it: npm's global one, else one in the user's cache."""
    npm = shutil.which("npm")
    if npm is not None:
        try:
            root = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            root = ""
        if root and (Path(root) / "@aws-sdk").is_dir():
            return Path(root)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "groundcloud" / "node-sdk" / "node_modules"


def present() -> bool:
    found = directory()
    return (found.parent / _DONE).exists() if found.parent.name == "node-sdk" else (found / "@aws-sdk").is_dir()


def prepare() -> Path | None:
    """The directory, made if need be, so that what is fetched later appears in sandboxes; None where it cannot be made."""
    found = directory()
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return found


def wanted(code_path: Path, layers: Sequence[Path]) -> bool:
    """Whether the package imports an SDK, of version 2 or 3, that neither it nor a layer brings. Reads the first 32 MB of its sources."""
    roots = [code_path / "node_modules", *(layer / "nodejs" / "node_modules" for layer in layers)]
    brought = {name for name in ("@aws-sdk", "aws-sdk") if any((root / name).is_dir() for root in roots)}
    files = size_bytes = 0
    for directory, below, names in os.walk(code_path):
        below[:] = [name for name in below if name != "node_modules"]
        for name in names:
            if not name.endswith(_SOURCES):
                continue
            try:
                content = Path(directory, name).read_bytes()
            except OSError:
                continue
            if any(("@aws-sdk" if found[1].startswith(b"@") else "aws-sdk") not in brought for found in _IMPORT.finditer(content)):
                return True
            files, size_bytes = files + 1, size_bytes + len(content)
            if files >= _READ_FILES_MAX or size_bytes >= _READ_BYTES_MAX:
                return False
    return False


class Supply:
    """Fetches it when a function first wants it; all that want it wait for one npm. What failed is tried again after a minute."""

    def __init__(self) -> None:
        self._wanting: dict[Path, bool] = {}
        self._task: asyncio.Task[str | None] | None = None
        self._refused = ""
        self._refused_at = 0.0

    async def bring(self, code_path: Path, layers: Sequence[Path]) -> str | None:
        """Why the function is without it, or None."""
        wanting = self._wanting.get(code_path)
        if wanting is None:
            wanting = await asyncio.to_thread(lambda: wanted(code_path, layers) and not present())
            if len(self._wanting) >= _KNOWN_MAX:
                self._wanting.clear()
            self._wanting[code_path] = wanting
        if not wanting:
            return None
        if self._refused and time.monotonic() - self._refused_at < _AGAIN_S:
            return self._refused
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(fetch())
        task = self._task
        done, _ = await asyncio.wait([task], timeout=_WAIT_S_MAX)
        if not done:
            return f"npm has not fetched it within {_WAIT_S_MAX:.0f} s"
        self._task = None
        self._refused, self._refused_at = task.result() or "", time.monotonic()
        self._wanting[code_path] = bool(self._refused)
        return self._refused or None

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()


async def fetch() -> str | None:
    """Installs it into the cache; why not, or None. Does nothing where it is present."""
    if present():
        return None
    npm, target = shutil.which("npm"), directory().parent
    if npm is None:
        return "npm is not installed; put the SDK into the function's package (npm install)"
    target.mkdir(parents=True, exist_ok=True)
    command = [
        npm,
        "install",
        "--prefix",
        str(target),
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--fetch-retries=1",
        "--fetch-retry-mintimeout=1000",
    ]
    process = await asyncio.create_subprocess_exec(
        *command, *PACKAGES, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=target
    )
    try:
        _, errors = await asyncio.wait_for(process.communicate(), _FETCH_S_MAX)
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    if process.returncode:
        words = errors.decode(errors="replace").strip().splitlines()
        return f"npm failed: {words[-1] if words else process.returncode}"
    (target / _DONE).touch()
    return None
