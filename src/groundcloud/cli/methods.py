"""What a package is made of: the code as it lies there with what it requires, or what its Metadata's BuildMethod makes of it.

AWS SAM: "Building applications", "Building layers". A method that needs a compiler which is not run here is refused by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from groundcloud.cli import node_packages, requirements
from groundcloud.cli.requirements import Say

_LAYER_FOLDERS = {"python": "python/", "nodejs": "nodejs/"}
_REASON_LINES_MAX = 12


@dataclass(frozen=True)
class Made:
    """Folders and where in the zip they go; of two files of one name the first stays. `handler`: as it is called there."""

    trees: list[tuple[Path, str]]
    handler: str | None = None


@contextmanager
def made(
    logical_id: str, source: Path, runtime: str, handler: str, metadata: dict[str, Any], *, is_layer: bool, say: Say
) -> Iterator[Made]:
    """What `sam build` would pack of the folder `source`. What is made for this alone is gone afterwards. Raises ClickException."""
    method = str(metadata.get("BuildMethod") or "")
    if metadata.get("SkipBuild"):
        yield Made([(source, "")])
    elif method == "makefile":
        artifacts = _by_make(logical_id, source, metadata)
        try:
            yield Made([(artifacts, "")])
        finally:
            shutil.rmtree(artifacts, ignore_errors=True)
    elif method == "esbuild" and not is_layer:
        properties = metadata.get("BuildProperties") or {}
        out, bundled_handler = node_packages.bundled(logical_id, source, handler, properties, say)
        try:
            yield Made([(out, "")], bundled_handler)
        finally:
            shutil.rmtree(out.parent, ignore_errors=True)
    elif is_layer:
        yield Made(_layer(logical_id, source, method, say))
    elif method and not method.startswith(("python", "nodejs")):
        raise _unknown(logical_id, method)
    else:
        yield Made([(source, ""), *_packages(source, method or runtime, say)])


def _layer(logical_id: str, source: Path, method: str, say: Say) -> list[tuple[Path, str]]:
    """Without a BuildMethod the content is laid out already."""
    if not method:
        return [(source, "")]
    below = next((found for language, found in _LAYER_FOLDERS.items() if method.startswith(language)), None)
    if below is None:
        raise _unknown(logical_id, method)
    return [(source, below), *((tree, below) for tree, _ in _packages(source, method, say))]


def _packages(source: Path, runtime: str, say: Say) -> list[tuple[Path, str]]:
    if (not runtime or runtime.startswith("python")) and requirements.wanted(source):
        return [(requirements.installed(source, runtime, say), "")]
    if runtime.startswith("nodejs") and node_packages.wanted(source):
        return [(node_packages.installed(source, say), "")]
    return []


def _by_make(logical_id: str, source: Path, metadata: dict[str, Any]) -> Path:
    """The target `build-LOGICALID` of the folder's Makefile, run in a copy of it; it leaves the package in ARTIFACTS_DIR."""
    if not (source / "Makefile").is_file():
        raise click.ClickException(f"{logical_id}: its BuildMethod is makefile, and there is no Makefile in {source}.")
    make = shutil.which("make")
    if make is None:
        raise click.ClickException(f"{logical_id}: its BuildMethod is makefile, and there is no make on the path.")
    artifacts = Path(tempfile.mkdtemp(prefix="ground-artifacts-"))
    with tempfile.TemporaryDirectory(prefix="ground-make-") as scratch:
        work = Path(scratch) / source.name
        shutil.copytree(source, work, symlinks=True, ignore=shutil.ignore_patterns(".aws-sam", ".ground", ".git"))
        command = [make, "--makefile", str(work / "Makefile"), f"build-{logical_id}"]
        environment = {**os.environ, "ARTIFACTS_DIR": str(artifacts)}
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=work / str(metadata.get("WorkingDirectory") or "."), env=environment
        )
    if done.returncode:
        shutil.rmtree(artifacts, ignore_errors=True)
        reason = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-_REASON_LINES_MAX:])
        raise click.ClickException(f"{logical_id}: make build-{logical_id} failed:\n  {reason}")
    return artifacts


def _unknown(logical_id: str, method: str) -> click.ClickException:
    return click.ClickException(
        f"{logical_id}: Groundcloud does not implement the BuildMethod {method}. `sam build` does; then `ground deploy .aws-sam/build/template.yaml`."
    )
