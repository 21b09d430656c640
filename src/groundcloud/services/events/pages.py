"""Pages of lists, and their tokens."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any, TypeVar

from groundcloud.services.events import errors
from groundcloud.store import Record, Table, Transaction

R = TypeVar("R", bound=Record)
LIMIT = 100  # AWS: LimitMax100


def page(
    tx: Transaction,
    table: Table[R],
    request: dict[str, Any],
    *head: str,
    prefix: str = "",
    keep: Callable[[R], bool] = lambda record: True,
    limit_name: str = "Limit",
) -> tuple[list[R], str | None]:
    """Records whose last key part begins with `prefix`, from the request's token on; and the next token."""
    limit = request.get(limit_name) or LIMIT
    last_field = table.key[-1]  # type: ignore[index]
    found: list[R] = []
    for record in table.scan(tx, *head, start=prefix, after=after(request)):
        name = getattr(record, last_field)
        if not name.startswith(prefix):
            break
        if keep(record):
            if len(found) == limit:
                return found, token(getattr(found[-1], last_field))
            found.append(record)
    return found, None


def token(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode()


def after(request: dict[str, Any]) -> str | None:
    """What the request's NextToken stands for. Raises ValidationException."""
    text = request.get("NextToken")
    if text is None:
        return None
    try:
        return b64decode(text, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise errors.not_valid("NextToken") from None
