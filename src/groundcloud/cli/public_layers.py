"""Layers that public templates name by the ARN of their publisher: made anew here of the same packages, from PyPI and npm.

Powertools for AWS Lambda: "Lambda Layer" of its documentation for Python (account 017000801446) and TypeScript (094274105915). Of a layer's version only the
major one of its packages is kept; its newest minor version comes. Others' layers are left to the server, which knows those of its own accounts.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundcloud.cli import node_packages, requirements
from groundcloud.cli.requirements import COMPLETE, Say

_ARN = re.compile(
    r":(?:017000801446:layer:(AWSLambdaPowertoolsPython)|094274105915:layer:(AWSLambdaPowertoolsTypeScript))(V\d+)?[A-Za-z0-9_-]*:\S+"
)
_PYTHON = {"": "aws-lambda-powertools[all,pydantic]<2", "V2": "aws-lambda-powertools[all]<3", "V3": "aws-lambda-powertools[all]<4"}
_TYPESCRIPT = {
    "": ("commons@1", "logger@1", "metrics@1", "tracer@1", "parameters@1", "idempotency@1", "batch@1"),
    "V2": (
        "commons@2",
        "logger@2",
        "metrics@2",
        "tracer@2",
        "parameters@2",
        "idempotency@2",
        "batch@2",
        "jmespath@2",
        "parser@2",
        "event-handler@2",
    ),
}
_THERE_ALREADY = ("boto3", "botocore", "s3transfer", "@aws-sdk")  # with every function; the publisher leaves them out as well
_FUNCTIONS = ("AWS::Serverless::Function", "AWS::Lambda::Function")
_TIME = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class _Layer:
    name: str
    language: str  # as runtimes begin
    major: str


def substitute(document: dict[str, Any], say: Say) -> None:
    """Puts a layer of the template's own in place of each public one that is known here. Raises ClickException where it cannot be made."""
    made: dict[str, dict[str, Any]] = {}
    for holder, runtime in _holders(document):
        layers = holder.get("Layers")
        if not isinstance(layers, list):
            continue
        for index, item in enumerate(layers):
            layer = _known(item)
            if layer is None:
                continue
            fitting = runtime if runtime.startswith(layer.language) else ""
            logical_id = re.sub(r"\W", "", f"{layer.name}{layer.major}{fitting}")
            if logical_id not in made:
                content = _content(layer, fitting, say)
                made[logical_id] = {
                    "Type": "AWS::Lambda::LayerVersion",
                    "Properties": {"LayerName": f"{layer.name}{layer.major}", "Content": str(content)},
                }
            layers[index] = {"Ref": logical_id}
    if made:
        document.setdefault("Resources", {}).update(made)


def _holders(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """What may have Layers, with the runtime of those functions."""
    resources = document.get("Resources")
    functions = [
        resource["Properties"]
        for resource in (resources.values() if isinstance(resources, dict) else ())
        if isinstance(resource, dict) and resource.get("Type") in _FUNCTIONS and isinstance(resource.get("Properties"), dict)
    ]
    defaults = document.get("Globals")
    shared = defaults.get("Function") if isinstance(defaults, dict) else None
    runtime = ""
    if isinstance(shared, dict):
        runtime = str(shared.get("Runtime") or next((found["Runtime"] for found in functions if "Runtime" in found), ""))
        yield shared, runtime
    for properties in functions:
        yield properties, str(properties.get("Runtime", runtime))


def _known(item: Any) -> _Layer | None:
    text = item.get("Fn::Sub") if isinstance(item, dict) else item
    match = _ARN.search(text) if isinstance(text, str) else None
    if match is None:
        return None
    major = match[3] or ""
    if match[1]:
        return _Layer(match[1], "python", major) if major in _PYTHON else None
    return _Layer(match[2], "nodejs", major) if major in _TYPESCRIPT else None


def _content(layer: _Layer, runtime: str, say: Say) -> Path:
    """The layer's zip, kept in the user's cache."""
    wanted = _PYTHON[layer.major] if layer.language == "python" else " ".join(_TYPESCRIPT[layer.major])
    kept = requirements.folder("layers", f"{wanted} {runtime}".encode()) / "layer.zip"
    if kept.exists():
        return kept
    say(f"making the layer {layer.name}{layer.major} of {wanted}")
    with tempfile.TemporaryDirectory(prefix="ground-layer-") as place:
        source = Path(place)
        if layer.language == "python":
            (source / requirements.REQUIREMENTS).write_text(wanted + "\n")
            tree, below = requirements.installed(source, runtime, _silent), "python"
        else:
            (source / node_packages.MANIFEST).write_text(_manifest(_TYPESCRIPT[layer.major]))
            tree, below = node_packages.installed(source, _silent) / node_packages.MODULES, f"nodejs/{node_packages.MODULES}"
        packed = source / "layer.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(tree.rglob("*")):
                parts = path.relative_to(tree).parts
                if path.is_file() and not parts[0].startswith(_THERE_ALREADY) and path.name != COMPLETE:
                    entry = zipfile.ZipInfo("/".join((below, *parts)), _TIME)
                    entry.external_attr = 0o755 << 16
                    archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(packed, kept)
    return kept


def _manifest(packages: tuple[str, ...]) -> str:
    return json.dumps(
        {"dependencies": {f"@aws-lambda-powertools/{name}": version for name, _, version in (each.partition("@") for each in packages)}}
    )


def _silent(sentence: str) -> None:
    pass
