"""Builds the container image of a function that has a Dockerfile, as `sam build` does, in the local Docker or Podman.

The image is tagged with the content that was built, so that the same content deploys nothing anew and another one does. AWS SAM: "Building container images":
Metadata with Dockerfile, DockerContext, DockerBuildArgs, DockerBuildTarget, DockerTag.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import click

from groundcloud.cli.requirements import Say
from groundcloud.runtime.engines import EngineMissing, find

IMAGE = "Image"
_ID_LENGTH = 12


def wanted(metadata: Any) -> bool:
    return isinstance(metadata, dict) and any(name in metadata for name in ("Dockerfile", "DockerContext"))


def build(logical_id: str, metadata: dict[str, Any], folder: Path, say: Say) -> tuple[str, Path]:
    """The name of the image, and the folder that it was built from. Raises ClickException."""
    context = folder / str(metadata.get("DockerContext") or ".")
    file = context / str(metadata.get("Dockerfile") or "Dockerfile")
    if not file.is_file():
        raise click.ClickException(f"{logical_id}: there is no Dockerfile at {file}.")
    try:
        engine = asyncio.run(find())
    except EngineMissing as missing:
        raise click.ClickException(f"{logical_id} is a container image, and neither Docker nor Podman answers ({missing}).") from None
    name = f"ground-{re.sub('[^a-z0-9]+', '-', logical_id.lower()).strip('-') or 'function'}"
    words = [engine.path, "build", "--file", str(file), "--tag", name]
    for argument, value in (metadata.get("DockerBuildArgs") or {}).items():
        words += ["--build-arg", f"{argument}={value}"]
    if metadata.get("DockerBuildTarget"):
        words += ["--target", str(metadata["DockerBuildTarget"])]
    say(f"building the image of {logical_id} with {engine.name}")
    built = _run([*words, str(context)])
    if built.returncode != 0:
        raise click.ClickException(f"{logical_id}: {engine.name} cannot build {file}:\n{(built.stderr or built.stdout).strip()}")
    image_id = _run([engine.path, "image", "inspect", "--format", "{{.Id}}", name]).stdout.strip().removeprefix("sha256:")
    tag = f"{metadata['DockerTag']}-{image_id[:_ID_LENGTH]}" if metadata.get("DockerTag") else image_id[:_ID_LENGTH]
    _run([engine.path, "tag", name, f"{name}:{tag}"])
    return f"{name}:{tag}", context


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True)
