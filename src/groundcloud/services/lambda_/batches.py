"""What a batch's answer says about its records. Pure.

Source: AWS: "Implementing partial batch responses": success is an empty or null batchItemFailures, an empty or null document; failure of the whole batch is an answer that is no JSON, an
empty or null itemIdentifier, an itemIdentifier with a bad key name, or one that is in no record.
"""

from __future__ import annotations

import json


def failed_items(payload: bytes, identifiers: list[str]) -> set[str] | None:
    """The identifiers that failed; None where the whole batch did."""
    try:
        answer = json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        return None
    if answer is None or answer == {}:
        return set()
    if not isinstance(answer, dict):
        return set()
    failures = answer.get("batchItemFailures")
    if failures is None or failures == []:
        return set()
    if not isinstance(failures, list):
        return None
    known = set(identifiers)
    failed: set[str] = set()
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not identifier or identifier not in known:
            return None
        failed.add(identifier)
    return failed
