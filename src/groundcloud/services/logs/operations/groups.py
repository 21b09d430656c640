"""Log groups: create, describe, delete; retention, class, tags."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.logs import errors
from groundcloud.services.logs.names import every_group, group_arn, name_of_identifier, parts_of_token, resource_of_group, token
from groundcloud.services.logs.state import DAY_MS, GROUPS, HIGHEST, STORED_BYTES, Group, load_group
from groundcloud.store import Transaction

DESCRIBED_MAX = 50  # AWS: DescribeLogGroups, limit
LISTED_MAX = 1000
TAGS_MAX = 50
RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)

Request = dict[str, Any]


@operation(resource=resource_of_group)
def create_log_group(call: Call, request: Request) -> Request:
    name = request["logGroupName"]
    if request.get("kmsKeyId"):
        raise not_implemented("CloudWatch Logs encryption with KMS keys (kmsKeyId)")
    if GROUPS.has(call.tx, name):
        raise errors.group_exists()
    group = Group(
        group_name=name,
        group_number=call.tx.sequence("logs/groups"),
        created_ms=call.now_ms,
        log_class=request.get("logGroupClass", "STANDARD"),
        tags=request.get("tags") or {},
        protected=request.get("deletionProtectionEnabled", False),
    )
    GROUPS.put(call.tx, group)
    return {}


@operation(resource=resource_of_group)
def delete_log_group(call: Call, request: Request) -> Request:
    group = load_group(call.tx, request["logGroupName"])
    if group.protected:
        raise errors.group_is_protected()
    GROUPS.delete(call.tx, group.group_name)
    call.unschedule("logs.expire", str(group.group_number))
    call.schedule(call.now_ms, "logs.purge-group", group.group_number)
    return {}


@operation(resource=every_group)
def describe_log_groups(call: Call, request: Request) -> Request:
    _refuse_accounts(request)
    prefix, pattern = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
    if prefix is not None and pattern is not None:
        raise errors.prefix_and_pattern()
    limit = request.get("limit", DESCRIBED_MAX)
    if identifiers := request.get("logGroupIdentifiers"):
        named = (GROUPS.get(call.tx, name_of_identifier(call, identifier)) for identifier in identifiers)
        return {"logGroups": [_described(call, group) for group in named if group is not None]}
    groups, more = _page(call, request, prefix or "", limit, lambda group: pattern is None or pattern in group.group_name)
    answer: Request = {"logGroups": [_described(call, group) for group in groups]}
    if more:
        answer["nextToken"] = token(groups[-1].group_name)
    return answer


@operation(resource=every_group)
def list_log_groups(call: Call, request: Request) -> Request:
    _refuse_accounts(request)
    for member in ("dataSources", "fieldIndexNames"):
        if request.get(member):
            raise not_implemented(f"logs:ListLogGroups with {member}")
    alternatives = [part for part in request.get("logGroupNamePattern", "").split("|") if part]
    tags = request.get("logGroupTags", ())

    def wanted(group: Group) -> bool:
        name = group.group_name
        if alternatives and not any(name.startswith(part[1:]) if part[0] == "^" else part in name for part in alternatives):
            return False
        return all(_has_tag(group.tags, tag["key"], tag.get("values") or ()) for tag in tags)

    groups, more = _page(call, request, "", request.get("limit", DESCRIBED_MAX), wanted)
    answer: Request = {
        "logGroups": [
            {"logGroupName": group.group_name, "logGroupArn": group_arn(call, group.group_name), "logGroupClass": group.log_class}
            for group in groups
        ]
    }
    if more:
        answer["nextToken"] = token(groups[-1].group_name)
    return answer


@operation(resource=resource_of_group)
def put_retention_policy(call: Call, request: Request) -> Request:
    group = load_group(call.tx, request["logGroupName"])
    days = request["retentionInDays"]
    if days not in RETENTION_DAYS:
        raise errors.invalid_retention(days, RETENTION_DAYS)
    _retain(call, group, days)
    return {}


@operation(resource=resource_of_group)
def delete_retention_policy(call: Call, request: Request) -> Request:
    _retain(call, load_group(call.tx, request["logGroupName"]), 0)
    return {}


@operation(resource=resource_of_group)
def put_log_group_deletion_protection(call: Call, request: Request) -> Request:
    group = load_group(call.tx, name_of_identifier(call, request["logGroupIdentifier"]))
    GROUPS.put(call.tx, group.replace(protected=request["deletionProtectionEnabled"]))
    return {}


@operation(resource=resource_of_group)
def tag_log_group(call: Call, request: Request) -> Request:
    _tag(call.tx, load_group(call.tx, request["logGroupName"]), request["tags"])
    return {}


@operation(resource=resource_of_group)
def untag_log_group(call: Call, request: Request) -> Request:
    _untag(call.tx, load_group(call.tx, request["logGroupName"]), request["tags"])
    return {}


@operation(resource=resource_of_group)
def list_tags_log_group(call: Call, request: Request) -> Request:
    return {"tags": load_group(call.tx, request["logGroupName"]).tags}


def _arn_given(call: Call, request: Request) -> str:
    return str(request["resourceArn"])


@operation(resource=_arn_given)
def tag_resource(call: Call, request: Request) -> Request:
    _tag(call.tx, _of_arn(call, request["resourceArn"]), request["tags"])
    return {}


@operation(resource=_arn_given)
def untag_resource(call: Call, request: Request) -> Request:
    _untag(call.tx, _of_arn(call, request["resourceArn"]), request["tagKeys"])
    return {}


@operation(resource=_arn_given)
def list_tags_for_resource(call: Call, request: Request) -> Request:
    return {"tags": _of_arn(call, request["resourceArn"]).tags}


def _refuse_accounts(request: Request) -> None:
    for member in ("includeLinkedAccounts", "accountIdentifiers"):
        if request.get(member):
            raise not_implemented(f"log groups of linked accounts ({member})")


def _of_arn(call: Call, resource_arn: str) -> Group:
    """Raises ResourceNotFoundException."""
    prefix = group_arn(call, "")
    group = GROUPS.get(call.tx, resource_arn[len(prefix) :].removesuffix(":*")) if resource_arn.startswith(prefix) else None
    if group is None:
        raise errors.resource_does_not_exist()
    return group


def _page(call: Call, request: Request, prefix: str, limit: int, wanted: Any) -> tuple[list[Group], bool]:
    """Groups after the request's token, and whether there are more."""
    after = parts_of_token(request["nextToken"], str)[0] if "nextToken" in request else None
    log_class = request.get("logGroupClass")
    found: list[Group] = []
    for group in GROUPS.scan(call.tx, start=prefix or None, stop=prefix + HIGHEST if prefix else None, after=after):
        if (log_class is not None and group.log_class != log_class) or not wanted(group):
            continue
        if len(found) == limit:
            return found, True
        found.append(group)
    return found, False


def _has_tag(tags: dict[str, str], name: str, values: Any) -> bool:
    """AWS: a value may begin with `!` (not) and have `*` at either end."""
    if name not in tags:
        return False
    value = tags[name]
    for wanted in values:
        negated, text = wanted.startswith("!"), wanted.removeprefix("!")
        core = text.strip("*")
        if text.startswith("*") and text.endswith("*"):
            hit = core in value
        elif text.startswith("*"):
            hit = value.endswith(core)
        elif text.endswith("*"):
            hit = value.startswith(core)
        else:
            hit = value == core
        if hit is not negated:
            return True
    return not values


def _described(call: Call, group: Group) -> Request:
    arn = group_arn(call, group.group_name)
    return {
        "logGroupName": group.group_name,
        "creationTime": group.created_ms,
        "retentionInDays": group.retention_days or None,
        "metricFilterCount": group.metric_filters,
        "arn": arn + ":*",
        "storedBytes": STORED_BYTES.get(call.tx, group.group_number) or 0,
        "logGroupClass": group.log_class,
        "logGroupArn": arn,
        "deletionProtectionEnabled": group.protected,
    }


def _retain(call: Call, group: Group, days: int) -> None:
    """A group with a retention has one timer, always; see `workers.expire`."""
    GROUPS.put(call.tx, group.replace(retention_days=days))
    if days:
        call.schedule(call.now_ms + min(days * DAY_MS, DAY_MS), "logs.expire", group.group_name, key=str(group.group_number))
    else:
        call.unschedule("logs.expire", str(group.group_number))


def _tag(tx: Transaction, group: Group, tags: dict[str, str]) -> None:
    merged = {**group.tags, **tags}
    if len(merged) > TAGS_MAX:
        raise errors.too_many_tags()
    GROUPS.put(tx, group.replace(tags=merged))


def _untag(tx: Transaction, group: Group, names: list[str]) -> None:
    GROUPS.put(tx, group.replace(tags={name: value for name, value in group.tags.items() if name not in names}))
