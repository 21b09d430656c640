"""One JSON line per event on standard output, with the correlation id of the call.

A line holds only the fields named below: ids that we made, codes, counts and times. What a person told us (their id, income,
debts, amounts) is not among them, and a new field has to be added here, where a reviewer sees it.
"""

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

FIELDS = frozenset(
    {
        *("route", "status", "code", "duration_ms", "attempts", "retry_after_s", "breaker", "message_id"),
        *("prequalification_id", "application_id", "product_id", "decision", "offers", "application_status"),
        *("error_type", "where"),
    }
)

_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def log(event: str, *, level: str = "INFO", **fields: Any) -> None:
    if unknown := fields.keys() - FIELDS:
        raise TypeError(f"not a field that may be logged: {', '.join(sorted(unknown))}")
    print(json.dumps({"level": level, "event": event, "correlation_id": _correlation_id.get()} | fields), flush=True)


def log_unexpected(error: Exception, **fields: Any) -> None:
    """The class and the place of an error; not its message, which may quote what a person told us."""
    where = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log("unexpected_error", level="ERROR", error_type=type(error).__name__, where=where[-8:], **fields)


@contextmanager
def correlated(correlation_id: str | None) -> Iterator[None]:
    """Every line logged inside carries this correlation id."""
    token = _correlation_id.set(correlation_id)
    try:
        yield
    finally:
        _correlation_id.reset(token)
