"""AWS's SDK for JavaScript, which AWS's Node.js runtimes bring along: found on this machine, or fetched once with npm.

Sandboxes see the directory at /var/runtime/node_modules, where CommonJS finds it along NODE_PATH and ES modules by /node_modules.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
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


async def fetch() -> str | None:
    """Installs it into the cache; why not, or None. Does nothing where it is present."""
    if present():
        return None
    npm, target = shutil.which("npm"), directory().parent
    if npm is None:
        return "npm is not installed; put the SDK into the function's package (npm install)"
    command = [npm, "install", "--prefix", str(target), "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1", *PACKAGES]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=target
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
