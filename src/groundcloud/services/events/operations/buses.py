"""Event buses: create, change, describe, list, delete; who may put events on them."""

from __future__ import annotations

import json

from groundcloud.auth import documents
from groundcloud.auth.documents import MalformedPolicy
from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.events import buses, conditions, errors, pages, routing, tags
from groundcloud.services.events.buses import Request
from groundcloud.services.events.state import BUSES, DEFAULT_BUS, RULES, TARGETS, Bus, delete_target
from groundcloud.store import Transaction

BUSES_MAX = 100
"""AWS: quota of event buses in an account and region."""

POLICY_CHARACTERS_MAX = 10_240
_ACTIONS = ("events:PutEvents",)


def _access(call: Call, request: Request) -> list[Access]:
    bus_arn, facts = buses.bus_of_name(call, request), conditions.of_new_tags(call, request)
    wanted = [Access("events:CreateEventBus", bus_arn, facts)]
    if request.get("Tags"):
        wanted.append(Access("events:TagResource", bus_arn, facts))
    return wanted


@operation(access=_access)
def create_event_bus(call: Call, request: Request) -> Request:
    name = request["Name"]
    if request.get("EventSourceName") or name.startswith("aws.partner/"):
        raise not_implemented("partner event sources (EventSourceName)")
    if "/" in name:
        raise errors.validation("Event bus name must not contain '/'.")
    if buses.find(call.tx, name) is not None:
        raise errors.exists(f"Event bus {name} already exists.")
    _check(call, request)
    if sum(1 for _ in BUSES.keys(call.tx, limit=BUSES_MAX + 1)) > BUSES_MAX:
        raise errors.limit_exceeded("The requested resource exceeds the maximum number allowed.")
    bus = _configured(
        Bus(bus_name=name, created_ms=call.now_ms, modified_ms=call.now_ms, tags=tags.checked(call, request.get("Tags", ()))), request
    )
    BUSES.put(call.tx, bus)
    return {"EventBusArn": _arn(call.tx, bus), **_settings(bus)}


@operation(resource=buses.bus_of_name, context=conditions.of_bus)
def update_event_bus(call: Call, request: Request) -> Request:
    tx, bus = buses.load(call, request.get("Name"))
    _check(call, request)
    changed = _configured(bus.replace(modified_ms=call.now_ms), request)
    BUSES.put(tx, changed)
    return {"Arn": _arn(tx, changed), "Name": changed.bus_name, **_settings(changed)}


@operation(resource=buses.bus_of_name, context=conditions.of_bus)
def describe_event_bus(call: Call, request: Request) -> Request:
    tx, bus = buses.load(call, request.get("Name"))
    return {**_shown(tx, bus), **_settings(bus)}


@operation()
def list_event_buses(call: Call, request: Request) -> Request:
    prefix = request.get("NamePrefix", "")
    if not BUSES.has(call.tx, DEFAULT_BUS) and DEFAULT_BUS.startswith(prefix):
        BUSES.put(call.tx, Bus(bus_name=DEFAULT_BUS))  # so that it stands in its place among the others
    found, token = pages.page(call.tx, BUSES, request, prefix=prefix)
    return {"EventBuses": [_shown(call.tx, bus) for bus in found], "NextToken": token}


@operation(resource=buses.bus_of_name, context=conditions.of_bus)
def delete_event_bus(call: Call, request: Request) -> Request:
    """Deleting what is not there succeeds."""
    account, region, name = buses.place(call, request["Name"])
    if name == DEFAULT_BUS:
        raise errors.validation("Cannot delete event bus default.")
    tx = call.tx.at(account, region)
    if next((rule for rule in RULES.scan(tx, name) if not rule.managed_by), None) is not None:
        raise errors.validation(f"Event bus {name} can't be deleted since it has rules.")
    for target in list(TARGETS.scan(tx, name)):  # of the rules that feed archives
        delete_target(tx, target)
    for rule in list(RULES.scan(tx, name)):
        RULES.delete(tx, name, rule.rule_name)
    BUSES.delete(tx, name)
    routing.changed(call, tx, name)
    return {}


@operation(resource=buses.named_bus, context=conditions.of_bus)
def put_permission(call: Call, request: Request) -> Request:
    """One more statement of the bus's policy, or (`Policy`) all of it."""
    tx, bus = buses.load(call, request.get("EventBusName"))
    bus_arn = _arn(tx, bus)
    if request.get("Policy"):
        if any(request.get(name) for name in ("Action", "Principal", "StatementId", "Condition")):
            raise errors.validation("You must either specify Policy or StatementId, Action and Principal.")
        text = _whole(request["Policy"], bus_arn)
    else:
        text = _with_statement(bus, bus_arn, request)
    if len(text) > POLICY_CHARACTERS_MAX:
        raise errors.policy_too_long()
    BUSES.put(tx, bus.replace(policy=text, modified_ms=call.now_ms))
    return {}


@operation(resource=buses.named_bus, context=conditions.of_bus)
def remove_permission(call: Call, request: Request) -> Request:
    tx, bus = buses.load(call, request.get("EventBusName"))
    if request.get("RemoveAllPermissions"):
        BUSES.put(tx, bus.replace(policy="", modified_ms=call.now_ms))
        return {}
    if not request.get("StatementId"):
        raise errors.not_valid("StatementId", "StatementId is a required argument.")
    if not bus.policy:
        raise errors.not_found("EventBus does not have a policy.")
    document = json.loads(bus.policy)
    statements = _statements(document)
    kept = [statement for statement in statements if statement.get("Sid") != request["StatementId"]]
    if len(kept) == len(statements):
        raise errors.not_found("Statement with the provided id does not exist.")
    text = _text({**document, "Statement": kept}) if kept else ""
    BUSES.put(tx, bus.replace(policy=text, modified_ms=call.now_ms))
    return {}


def _whole(text: str, bus_arn: str) -> str:
    try:
        documents.parse(text, "resource", bus_arn)
        document = json.loads(text)
    except (MalformedPolicy, ValueError):
        raise errors.validation("This policy contains invalid Json") from None
    return _text(document)


def _with_statement(bus: Bus, bus_arn: str, request: Request) -> str:
    for name in ("StatementId", "Action", "Principal"):
        if not request.get(name):
            raise errors.not_valid(name, f"{name} is a required argument.")
    if request["Action"] not in _ACTIONS:
        raise errors.validation("Provided value in parameter 'action' is not supported.")
    principal = request["Principal"]
    statement: Request = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {"AWS": f"arn:aws:iam::{principal}:root"},
        "Action": request["Action"],
        "Resource": bus_arn,
    }
    condition = request.get("Condition")
    if condition:
        if condition["Type"] != "StringEquals":
            raise errors.validation("Provided value in parameter 'condition.type' is not supported.")
        if condition["Key"] != "aws:PrincipalOrgID":
            raise errors.validation("Provided value in parameter 'condition.key' is not supported.")
        if principal != "*":
            raise errors.validation("Principal must be '*' when a Condition is specified.")
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": condition["Value"]}}
    document = json.loads(bus.policy) if bus.policy else {"Version": "2012-10-17", "Statement": []}
    kept = [one for one in _statements(document) if one.get("Sid") != request["StatementId"]]
    return _text({**document, "Statement": [*kept, statement]})


def _statements(document: Request) -> list[Request]:
    found = document.get("Statement", [])
    return found if isinstance(found, list) else [found]


def _text(document: Request) -> str:
    return json.dumps(document, separators=(",", ":"))


def _check(call: Call, request: Request) -> None:
    if request.get("KmsKeyIdentifier"):
        raise not_implemented("KMS keys of event buses (KmsKeyIdentifier)")
    if (request.get("LogConfig") or {}).get("Level", "OFF") != "OFF":
        raise not_implemented("logs of event buses (LogConfig)")
    dead_letter = (request.get("DeadLetterConfig") or {}).get("Arn")
    if dead_letter and not dead_letter.startswith("arn:aws:sqs:"):
        raise errors.not_valid("DeadLetterConfig.Arn", "Provided Arn is not in correct format.")


def _configured(bus: Bus, request: Request) -> Bus:
    return bus.replace(  # type: ignore[no-any-return]
        description=request.get("Description", bus.description),
        dead_letter_arn=(request.get("DeadLetterConfig") or {}).get("Arn", ""),
        log_config=request.get("LogConfig", bus.log_config),
    )


def _settings(bus: Bus) -> Request:
    return {
        "Description": bus.description or None,
        "DeadLetterConfig": {"Arn": bus.dead_letter_arn} if bus.dead_letter_arn else None,
        "LogConfig": bus.log_config or None,
    }


def _shown(tx: Transaction, bus: Bus) -> Request:
    return {
        "Name": bus.bus_name,
        "Arn": _arn(tx, bus),
        "Description": bus.description or None,
        "Policy": bus.policy or None,
        "CreationTime": bus.created_ms / 1000 if bus.created_ms else None,
        "LastModifiedTime": bus.modified_ms / 1000 if bus.modified_ms else None,
    }


def _arn(tx: Transaction, bus: Bus) -> str:
    return buses.bus_arn(tx.account, tx.region, bus.bus_name)
