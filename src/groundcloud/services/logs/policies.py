"""Resource policies: an account's documents that let services and other accounts write to its groups."""

from __future__ import annotations

import json

from groundcloud.kernel.call import Call
from groundcloud.services.logs.state import RESOURCE_POLICIES


def of_resource(call: Call, resource_arn: str) -> str | None:
    """The statements of all policies of the account and region as one document; None where there are none."""
    known: dict[tuple[str, str], str | None] = call.own("resource-policies", dict)
    place = (call.account, call.region)
    if place not in known:
        known[place] = _together(call)
    return known[place]


def changed(call: Call) -> None:
    """Forgets what `of_resource` remembers, once the change is committed."""
    known: dict[tuple[str, str], str | None] = call.own("resource-policies", dict)

    def forget() -> None:
        known.pop((call.account, call.region), None)

    call.tx.after_commit(forget)


def _together(call: Call) -> str | None:
    statements = []
    for policy in RESOURCE_POLICIES.scan(call.reading()):
        found = json.loads(policy.document).get("Statement", [])
        statements += found if isinstance(found, list) else [found]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}) if statements else None
