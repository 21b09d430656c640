"""Addresses in a stack's outputs: AWS's own as this server answers to them, and by path for programs that cannot resolve names below localhost."""

from __future__ import annotations

import re
import socket
from functools import cache

from groundcloud.cli.connection import Connection

_AWS_API = re.compile(r"https://([a-z0-9]+)\.execute-api\.([a-z0-9-]+)\.amazonaws\.com")
_BY_NAME = re.compile(r"http://([a-z0-9]+)\.(execute-api|lambda-url)\.[a-z0-9-]+\.localhost(?::\d+)?(?=/|$)")


def local_url(value: str, connection: Connection) -> str:
    """AWS's address of an API, as this server answers to it."""
    _, _, rest = connection.endpoint.partition("://")
    port = rest.rpartition(":")[2] if ":" in rest else "80"
    return _AWS_API.sub(lambda match: f"http://{match[1]}.execute-api.{match[2]}.localhost:{port}", value)


def by_path(value: str, connection: Connection) -> str | None:
    """The same address without a name that needs resolving; None where it has none such, or where they resolve."""
    if not _BY_NAME.match(value) or names_resolve():
        return None
    path = _BY_NAME.sub(lambda match: f"{connection.endpoint}/_aws/{match[2]}/{match[1]}", value)
    return path if path.count("/") > 5 else f"{path}/"


@cache
def names_resolve() -> bool:
    """Whether this machine knows that every name below localhost is itself (RFC 6761, 6.3). curl and browsers know by themselves."""
    try:
        socket.getaddrinfo("ground.localhost", None)
    except OSError:
        return False
    return True
