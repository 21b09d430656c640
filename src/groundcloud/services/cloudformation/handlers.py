"""Waiting for the world outside: URLs that it answers to, and the wait itself.

A URL is a `RecordHandlerProgress` of the query API with a bearer token in its query string; whoever has it may PUT a JSON document
there, as one does to the presigned URLs that AWS gives out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from groundcloud.kernel.call import Call
from groundcloud.services.cloudformation import state
from groundcloud.services.cloudformation.state import Bearer

API_VERSION = "2010-05-15"
_TOKEN_DIGITS = 64


def bearer(call: Call, tx: Any, stack_id: str, logical_id: str, step: str, kind: str) -> Bearer:
    """The bearer token of a step; made at its first run, found at a later one."""
    known = state.HANDLERS.get(tx, stack_id, step)
    found = state.BEARERS.get(tx, known) if known is not None else None
    if found is None:
        found = Bearer(
            bearer_token=call.token(_TOKEN_DIGITS),
            account=tx.account,
            region=tx.region,
            stack_id=stack_id,
            logical_id=logical_id,
            kind=kind,
            request_id=call.new_id(),
        )
        state.BEARERS.put(tx, found)
        state.HANDLERS.put(tx, stack_id, step, found.bearer_token)
    return found


def forget(tx: Any, found: Bearer, step: str) -> None:
    state.BEARERS.delete(tx, found.bearer_token)
    state.HANDLERS.delete(tx, found.stack_id, step)
    state.RESPONSES.delete(tx, found.bearer_token)


def url_of(call: Call, found: Bearer) -> str:
    """Where functions and machines reach the server, with the token."""
    query = {
        "Action": "RecordHandlerProgress",
        "Version": API_VERSION,
        "OperationStatus": "IN_PROGRESS",
        "BearerToken": found.bearer_token,
    }
    return f"{call.settings.function_endpoint}/?{urlencode(query)}"


def token_in(url: str) -> str | None:
    """The bearer token in a URL that `url_of` made."""
    try:
        values = parse_qs(urlsplit(url).query).get("BearerToken", [])
    except ValueError:
        return None
    return values[0] if values else None


@contextmanager
def resting(call: Call) -> Iterator[None]:
    """A step that only waits does not keep the clock from being moved on: see `Deployment.walk`, which counted it as busy."""
    timers = call.ground.timers
    timers.busy -= 1
    try:
        yield
    finally:
        timers.busy += 1
