"""Where deployed code came from: names of files in a sandbox become names of the user's own files, in tracebacks and logs.

`ground deploy` leaves the folder in the resource's Metadata, under the key that the AWS CDK uses; functions know their stack by their tags.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from groundcloud.cli.connection import Connection

METADATA = "aws:asset:path"
_FILE = re.compile(r"(?:file://)?(?:/var/task|[^\s\"'(]*/functions/[0-9a-f]{64})/([^\s\"'\\:,)]+)")


class Sources:
    """Looked up when a text first names a file, and kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, Path | None] = {}

    def named(self, function_name: str, text: str) -> str:
        """The text, with the files of the function's package by their names on this machine, as far as they are still there."""
        if "/var/task/" not in text and "/functions/" not in text:
            return text
        root = self._root(function_name)
        return text if root is None else _FILE.sub(lambda match: _own(root, match[1]) or match[0], text)

    def _root(self, function_name: str) -> Path | None:
        if function_name not in self._known:
            self._known[function_name] = _source(self._connection, function_name)
        return self._known[function_name]


def _own(root: Path, name: str) -> str | None:
    path = root if root.is_file() and root.name == name else root / name
    if not path.is_file():
        return None
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown


def _source(connection: Connection, function_name: str) -> Path | None:
    from botocore.exceptions import ClientError

    try:
        client = connection.client("lambda")
        tags: dict[str, Any] = client.get_function(FunctionName=function_name).get("Tags") or {}
        stack, logical_id = tags.get("aws:cloudformation:stack-name"), tags.get("aws:cloudformation:logical-id")
        if not stack or not logical_id:
            return None
        detail = connection.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
    except ClientError:
        return None
    metadata = json.loads(detail["StackResourceDetail"].get("Metadata") or "{}")
    path = Path(str(metadata.get(METADATA, "")))
    return path if path.is_absolute() and path.exists() else None
