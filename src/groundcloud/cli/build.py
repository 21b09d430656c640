"""Builds and packages: a function's folder and its requirements to a zip, a template with local paths to one with addresses in S3.

A zip is made of sorted names and one fixed time, so the same code is the same bytes and uploads (and updates) nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import click

from groundcloud.base.errors import AwsError
from groundcloud.cli import methods, public_layers
from groundcloud.cli.requirements import COMPLETE, Say
from groundcloud.cli.sources import METADATA

IGNORED = {
    "__pycache__",
    ".git",
    ".venv",
    "venv",
    "node_modules/.cache",
    ".aws-sam",
    ".ground",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
}
_REMOTE = ("s3://", "https://", "http://")
ZIP_TIME = (2020, 1, 1, 0, 0, 0)
FILES_MAX = 50_000

CODE_PROPERTIES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Lambda::Function": "Code",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Lambda::LayerVersion": "Content",
}
FILE_PROPERTIES = {
    "AWS::Serverless::Api": "DefinitionUri",
    "AWS::Serverless::HttpApi": "DefinitionUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
    "AWS::ApiGateway::RestApi": "BodyS3Location",
    "AWS::StepFunctions::StateMachine": "DefinitionS3Location",
}
TEMPLATE_PROPERTIES = {"AWS::Serverless::Application": "Location", "AWS::CloudFormation::Stack": "TemplateURL"}


def _silent(sentence: str) -> None:
    pass


@dataclass
class Package:
    """A template ready to deploy, the objects it names, and the folders that its code came from."""

    template: dict[str, Any]
    objects: dict[str, bytes] = field(default_factory=dict)
    sources: set[Path] = field(default_factory=set)
    say: Say = field(default=_silent, repr=False, compare=False)


def package(template_path: Path, bucket: str, *, install: bool = True, say: Say = _silent) -> Package:
    """Reads a template and packs every local path in it; `say` is told what takes long before it begins. Raises ClickException naming what is missing or broken."""
    from groundcloud.services.cloudformation import template as templates

    try:
        document = templates.parse(template_path.read_text(), aliases=True)
    except OSError as error:
        raise click.ClickException(f"Cannot read {template_path}: {error.strerror}.") from None
    except AwsError as error:
        raise click.ClickException(f"{template_path}: {error.message}") from None
    result = Package(document, sources={template_path}, say=say)
    install = install and ".aws-sam" not in template_path.parts  # what `sam build` left is built
    folder = template_path.parent
    defaults = ((document.get("Globals") or {}).get("Function") or {}) if isinstance(document.get("Globals"), dict) else {}
    _pack_includes(result, document, folder, bucket)
    if install:
        public_layers.substitute(document, say)
    for logical_id, resource in (document.get("Resources") or {}).items():
        if not isinstance(resource, dict):
            continue
        kind, properties = resource.get("Type"), resource.setdefault("Properties", {})
        if kind in CODE_PROPERTIES:
            _pack_code(result, logical_id, kind, resource, properties, defaults, folder, bucket, install)
        elif kind in FILE_PROPERTIES:
            name = FILE_PROPERTIES[kind]
            if _is_local(properties.get(name)):
                path = _existing(folder / properties[name], logical_id, name)
                key = add_object(result, path.read_bytes(), path.suffix)
                properties[name] = {"Bucket": bucket, "Key": key}
                result.sources.add(path)
        elif kind in TEMPLATE_PROPERTIES:
            name = TEMPLATE_PROPERTIES[kind]
            if _is_local(properties.get(name)):
                inner = package(_existing(folder / properties[name], logical_id, name), bucket, install=install, say=say)
                result.objects |= inner.objects
                result.sources |= inner.sources
                key = add_object(result, json.dumps(inner.template).encode(), ".template")
                properties[name] = f"https://s3.amazonaws.com/{bucket}/{key}"
    return result


def _pack_includes(result: Package, value: Any, folder: Path, bucket: str) -> None:
    """The files that AWS::Include names, anywhere in the template."""
    if isinstance(value, list):
        for item in value:
            _pack_includes(result, item, folder, bucket)
    elif isinstance(value, dict):
        parameters = value.get("Parameters")
        if value.get("Name") == "AWS::Include" and isinstance(parameters, dict) and _is_local(parameters.get("Location")):
            path = _existing(folder / parameters["Location"], "AWS::Include", "Location")
            parameters["Location"] = f"s3://{bucket}/{add_object(result, path.read_bytes(), path.suffix)}"
            result.sources.add(path)
        for member in value.values():
            _pack_includes(result, member, folder, bucket)


def _is_local(location: Any) -> TypeGuard[str]:
    return isinstance(location, str) and not location.startswith(_REMOTE)


def _pack_code(
    result: Package,
    logical_id: str,
    kind: str,
    resource: dict[str, Any],
    properties: dict[str, Any],
    defaults: dict[str, Any],
    folder: Path,
    bucket: str,
    install: bool,
) -> None:
    name = CODE_PROPERTIES[kind]
    if properties.get("InlineCode"):
        return
    if properties.get("PackageType", defaults.get("PackageType")) == "Image":
        if install:
            _build_image(result, logical_id, kind, resource, properties, folder)
        return
    local = properties.get(name, defaults.get(name) if kind == "AWS::Serverless::Function" else None)
    if kind == "AWS::Serverless::Function" and local is None and "ImageUri" not in properties:
        local = "."
    if not _is_local(local):
        return
    path = _existing(folder / local, logical_id, name)
    if path.is_file() and path.suffix in (".zip", ".jar"):
        content = path.read_bytes()
    else:
        content, handler = build(
            path,
            str(properties.get("Runtime", defaults.get("Runtime", ""))),
            result.say,
            install=install,
            logical_id=logical_id,
            handler=str(properties.get("Handler", defaults.get("Handler", ""))),
            metadata=resource.get("Metadata"),
            is_layer=kind.endswith("LayerVersion"),
        )
        if handler is not None:
            properties["Handler"] = handler
            _say_source_maps(resource["Metadata"], properties)
    key = add_object(result, content, ".zip")
    result.sources.add(path)
    if kind.endswith("Function"):
        # So that a traceback can name this file rather than the sandbox's.
        resource.setdefault("Metadata", {}).setdefault(METADATA, str(path))
    if kind.startswith("AWS::Serverless::"):
        properties[name] = {"Bucket": bucket, "Key": key}
    else:
        properties[name] = {"S3Bucket": bucket, "S3Key": key}


def _say_source_maps(metadata: dict[str, Any], properties: dict[str, Any]) -> None:
    """AWS SAM: with Sourcemap the build sets NODE_OPTIONS, so that a stack trace names the source."""
    variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
    if (metadata.get("BuildProperties") or {}).get("Sourcemap") and isinstance(variables, dict):
        variables.setdefault("NODE_OPTIONS", "--enable-source-maps")


def _build_image(result: Package, logical_id: str, kind: str, resource: dict[str, Any], properties: dict[str, Any], folder: Path) -> None:
    """Where the function has a Dockerfile; else its ImageUri says what runs."""
    from groundcloud.cli import images

    metadata = resource.get("Metadata") or {}
    if not images.wanted(metadata):
        return
    image_uri, context = images.build(logical_id, metadata, folder, result.say)
    result.sources.add(context)
    if kind.startswith("AWS::Serverless::"):
        properties["ImageUri"] = image_uri
    else:
        properties["Code"] = {"ImageUri": image_uri}


def build(
    source: Path,
    runtime: str,
    say: Say,
    *,
    install: bool = True,
    logical_id: str = "",
    handler: str = "",
    metadata: dict[str, Any] | None = None,
    is_layer: bool = False,
) -> tuple[bytes, str | None]:
    """The zip of a folder (or one file) with what it requires or what its BuildMethod made, and the handler if that moved it."""
    out = io.BytesIO()
    seen: set[str] = set()
    made = methods.Made([(source, "")])
    with ExitStack() as stack, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        if source.is_file():
            _write(archive, source, source.name, seen)
        else:
            if install:
                found = methods.made(logical_id, source, runtime, handler, metadata or {}, is_layer=is_layer, say=say)
                made = stack.enter_context(found)
            for folder, below in made.trees:
                write_tree(archive, folder, seen, below)
    return out.getvalue(), made.handler


def write_tree(archive: zipfile.ZipFile, folder: Path, seen: set[str], below: str = "") -> None:
    """Links to folders are followed, as `sam build` does, but for those that lead back to where they lie in."""
    for root, names, files in os.walk(folder, followlinks=True):
        names[:] = sorted(name for name in names if name not in IGNORED and not _leads_back(os.path.join(root, name)))
        for name in sorted(files):
            if name.endswith((".pyc", ".pyo")) or name == COMPLETE:
                continue
            path = Path(root) / name
            if not path.is_file():  # a link to nothing, a socket
                continue
            _write(archive, path, below + path.relative_to(folder).as_posix(), seen)


def _leads_back(path: str) -> bool:
    return os.path.islink(path) and (os.path.realpath(os.path.dirname(path)) + os.sep).startswith(os.path.realpath(path) + os.sep)


def _write(archive: zipfile.ZipFile, path: Path, name: str, seen: set[str]) -> None:
    if name in seen:  # the function's own file goes before a requirement's
        return
    if len(seen) >= FILES_MAX:
        raise click.ClickException(f"More than {FILES_MAX:,} files below {path.parent}; is the CodeUri right?")
    seen.add(name)
    entry = zipfile.ZipInfo(name, ZIP_TIME)
    entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, path.read_bytes())


def add_object(result: Package, content: bytes, suffix: str) -> str:
    key = hashlib.sha256(content).hexdigest()[:40] + suffix
    result.objects[key] = content
    return key


def _existing(path: Path, logical_id: str, name: str) -> Path:
    if not path.exists():
        raise click.ClickException(f"{logical_id}: {name} names {path}, which does not exist.")
    return path.resolve()
