"""What SAM's configuration file says of a deployment, read as `sam deploy` reads it; what `ground deploy` has no use for is passed over.

`[ENVIRONMENT.deploy.parameters]` goes before `[ENVIRONMENT.global.parameters]`.
Source: SAM Developer Guide, "AWS SAM CLI configuration file".
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

NAMES = ("samconfig.toml", "samconfig.yaml", "samconfig.yml")
SUFFIXES = (".toml", ".yaml", ".yml")
DEFAULT = "default"
NESTING_MAX = 10
"""How deep files of parameters may name one another; our own limit."""
_PAIR = re.compile(
    r"""\s*(?:ParameterKey=)?("[^"]*"|'[^']*'|[^\s=,"']+)(?:,ParameterValue)?="""
    r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|[^\s\\])*)(?=\s|$)""",
    re.DOTALL,
)
_ESCAPED = re.compile(r"""\\([ "'])""")
_TRUE = ("true", "1", "yes", "y", "on", "t")


@dataclass(frozen=True)
class Settings:
    """`used`: the file and its environment, as a person reads them; empty where none has a say. `template` is as it is written."""

    used: str = ""
    stack: str = ""
    template: str = ""
    region: str = ""
    role_arn: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] | None = None
    disable_rollback: bool = False


def read(folder: Path, file: str | None, environment: str | None) -> Settings:
    """The file in `folder`, or the one that is named, from there. Raises ClickException with the line where it is broken, or where a named one is not there."""
    path = _find(folder, file)
    if path is None:
        return Settings()
    document = _load(path)
    if document and not isinstance(document.get("version"), float):
        raise click.ClickException(f"{path}: 'version' key is not present or is in unrecognized format; write: version = 0.1")
    name = environment or DEFAULT
    commands = _table(path, document, name)
    sections = [_table(path, commands, command, "parameters") for command in ("global", "deploy")]
    found = {key: value for section in sections for key, value in section.items()}
    if not found:
        return Settings()
    try:
        return _settings(f"{path.name} [{name}]", found, folder)
    except ValueError as error:
        raise click.ClickException(f"{path} [{name}.deploy.parameters]: {error}") from None


def _settings(used: str, found: dict[str, Any], folder: Path) -> Settings:
    words = {key: str(found.get(key, "")) for key in ("stack_name", "template_file", "template", "region", "role_arn")}
    rollback = found.get("disable_rollback", False)
    capabilities = found.get("capabilities")
    return Settings(
        used,
        words["stack_name"],
        words["template_file"] or words["template"],
        words["region"],
        words["role_arn"],
        _pairs("parameter_overrides", found.get("parameter_overrides", ""), folder),
        _pairs("tags", found.get("tags", ""), None),
        None if capabilities is None else _words(capabilities),
        str(rollback).lower() in _TRUE,
    )


def _find(folder: Path, file: str | None) -> Path | None:
    if file is None:
        return next((folder / name for name in NAMES if (folder / name).is_file()), None)
    path = folder / file
    if not path.exists():
        raise click.ClickException(f"The configuration file {path} does not exist.")
    if path.suffix not in SUFFIXES:
        raise click.ClickException(f"The configuration file {path} is none of {', '.join(SUFFIXES)}.")
    return path


def _load(path: Path) -> Any:
    """A file's document; raises ClickException with the line where it is broken."""
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".toml":
            return tomllib.loads(text)
        import yaml

        try:
            return yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise ValueError(error) from None
    except OSError as error:
        raise click.ClickException(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError as error:  # also of bytes that are no UTF-8
        raise click.ClickException(f"{path}: {error}") from None


def _table(path: Path, document: Any, *names: str) -> dict[str, Any]:
    """The table of these names in a document; empty where there is none."""
    found = document
    for name in names:
        found = found.get(name, {}) if isinstance(found, dict) else found
    if not isinstance(found, dict):
        raise click.ClickException(f"{path}: {'.'.join(names)} is no table.")
    return found


def _pairs(key: str, value: Any, folder: Path | None, depth: int = 0) -> dict[str, str]:
    """Names and values of "A=b C='d e'", of "ParameterKey=A,ParameterValue=b", of lists of those and of tables; `folder` lets it name files.

    Raises ValueError.
    """
    if depth > NESTING_MAX:
        raise ValueError(f"{key}: files and lists are nested more than {NESTING_MAX} deep")
    if value is None:
        return {}
    if isinstance(value, list):
        return {name: text for one in value for name, text in _pairs(key, one, folder, depth + 1).items()}
    if isinstance(value, dict):
        found = {}
        for name, one in value.items():
            if name == "$include" and folder is not None:
                found.update(_pairs(key, one, folder, depth + 1))
            else:
                found[str(name)] = _text(one)
        return found
    if not isinstance(value, str):
        raise ValueError(f"{key}: {value!r} is not like NAME=VALUE")
    if value.startswith("file://") and folder is not None:
        path = folder / value.removeprefix("file://")
        if path.suffix not in SUFFIXES:
            raise ValueError(f"{key}: {value} is none of {', '.join(SUFFIXES)}")
        return _pairs(key, _load(path), path.parent, depth + 1)
    return _split(key, value)


def _split(key: str, text: str) -> dict[str, str]:
    found, at, end = {}, 0, len(text.rstrip())
    while at < end:
        pair = _PAIR.match(text, at, end)
        if pair is None:
            raise ValueError(f"{key}: {text[at:end].strip()!r} is not like NAME=VALUE (a value with spaces is quoted)")
        found[_unquoted(pair[1])] = _unquoted(pair[2])
        at = pair.end()
    return found


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return _ESCAPED.sub(r"\1", text)


def _text(value: Any) -> str:
    """A value of a table as a parameter has it; a list is joined by commas."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(str(one).strip() for one in value if one not in (None, ""))
    return str(value)


def _words(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else [value]
    return tuple(word for part in parts for word in str(part).replace(",", " ").split())
