"""Tags of streams and consumers, by ARN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.services.kinesis import errors, names, state, throttling
from groundcloud.services.kinesis.state import TAGS

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

TAGS_MAX = 50
SYSTEM = "aws:"
"""What AWS's own tags begin with; they do not count."""


def of(tx: Transaction, arn: str) -> dict[str, str]:
    return TAGS.get(tx, arn) or {}


def add(call: Call, tx: Transaction, arn: str, added: dict[str, str]) -> None:
    """Raises InvalidArgumentException where a resource would have too many, or for a key of AWS's own."""
    if call.parent is None and any(key.startswith(SYSTEM) for key in added):
        raise errors.invalid_argument("Tag keys that begin with aws: are reserved for system use.")
    found = {**of(tx, arn), **{key: value or "" for key, value in added.items()}}
    if sum(not key.startswith(SYSTEM) for key in found) > TAGS_MAX:
        _, _, stream_name, rest = names.parse(arn)
        what = f"consumer {rest}" if rest else f"stream {stream_name}"
        raise errors.invalid_argument(
            f"Failed to add tags to {what} under account {tx.account} because a given {what.split(' ')[0]} cannot have more than {TAGS_MAX} tags "
            "associated with it."
        )
    TAGS.put(tx, arn, found)


def remove(tx: Transaction, arn: str, keys: list[str]) -> None:
    left = {key: value for key, value in of(tx, arn).items() if key not in keys}
    if left:
        TAGS.put(tx, arn, left)
    else:
        TAGS.delete(tx, arn)


def throttled(tx: Transaction, arn: str) -> bool:
    return throttling.is_on(of(tx, arn))


def switch_throttling(tx: Transaction, arn: str) -> None:
    """Limits the stream's throughput, or no longer, as its tags now say."""
    stream = state.find_stream(tx, names.parse(arn)[2])
    wanted = throttled(tx, arn)
    if stream is not None and arn.endswith(f"/{stream.stream_name}") and stream.throttled is not wanted:
        state.put_stream(tx, stream.replace(throttled=wanted))


def of_request(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """aws:RequestTag and aws:TagKeys of a request that gives tags, or takes some away."""
    given = request.get("Tags") or {}
    keys = list(given) or request.get("TagKeys") or []
    context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in given.items()}
    if keys:
        context["aws:TagKeys"] = keys
    return context
