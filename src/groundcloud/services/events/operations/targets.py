"""Targets of rules: put, list, remove."""

from __future__ import annotations

import re

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.events import buses, conditions, errors, inputs, pages, routing
from groundcloud.services.events.buses import Request
from groundcloud.services.events.state import RULES, TARGETS, Target, delete_target, put_target

TARGETS_MAX = 5
"""AWS: quota of targets of a rule."""

ROLE_REQUIRED = {"batch", "codebuild", "codepipeline", "ecs", "firehose", "inspector", "kinesis", "redshift", "sagemaker", "ssm", "states"}
"""Services that EventBridge calls by a role alone; AWS: "Using resource-based policies for EventBridge" names those that it calls by the target's policy."""

PARAMETERS = {
    "KinesisParameters": "kinesis",
    "RunCommandParameters": "ec2",
    "EcsParameters": "ecs",
    "BatchParameters": "batch",
    "RedshiftDataParameters": "redshift",
    "SageMakerPipelineParameters": "sagemaker",
    "AppSyncParameters": "appsync",
}
"""Parameters that are for one service's targets; kept for that service, refused where it takes nothing here."""

_ARN = re.compile(r"arn:[\w-]+:[\w-]+:[\w-]*:[0-9]*:.+", re.DOTALL)


@operation(resource=buses.named_rule, context=conditions.of_targets)
def put_targets(call: Call, request: Request) -> Request:
    """A target of the same id is replaced."""
    tx, rule = buses.load_rule(call, request.get("EventBusName"), request["Rule"])
    if rule.managed_by:
        raise errors.managed_rule(rule.rule_name)
    for document in request["Targets"]:
        _check(call, document, buses.bus_arn(tx.account, tx.region, rule.bus_name))
    ids = {target.target_id for target in TARGETS.scan(tx, rule.bus_name, rule.rule_name)}
    if len(ids | {document["Id"] for document in request["Targets"]}) > TARGETS_MAX:
        raise errors.limit_exceeded()
    for document in request["Targets"]:
        put_target(tx, Target(bus_name=rule.bus_name, rule_name=rule.rule_name, target_id=document["Id"], document=document))
    routing.changed(call, tx, rule.bus_name)
    return {"FailedEntryCount": 0, "FailedEntries": []}


def _check(call: Call, document: Request, bus_arn: str) -> None:
    """Raises ValidationException, or the refusal of a target that nothing here takes."""
    target_id, target_arn = document["Id"], document["Arn"]
    if not _ARN.fullmatch(target_arn):
        raise errors.not_valid(target_arn, "Provided Arn is not in correct format.")
    try:
        inputs.compiled(document)
    except inputs.InvalidInput as error:
        raise errors.validation(str(error)) from None
    parts = target_arn.split(":", 5)
    service = parts[2]
    if service == "sqs":
        if target_arn.endswith(".fifo") and not (document.get("SqsParameters") or {}).get("MessageGroupId"):
            raise errors.validation(f"Parameter(s) SqsParameters must be specified for target: {target_id}.")
    elif document.get("SqsParameters"):
        raise errors.validation(f"Parameter(s) SqsParameters not valid for target: {target_id}.")
    for name, owner in PARAMETERS.items():
        if document.get(name) and service != owner:
            raise errors.validation(f"Parameter(s) {name} not valid for target: {target_id}.")
    path = (document.get("KinesisParameters") or {}).get("PartitionKeyPath")
    if path:
        try:
            inputs.path(path, f"Invalid PartitionKeyPath for target {target_id}")
        except inputs.InvalidInput as error:
            raise errors.validation(str(error)) from None
    role_arn = document.get("RoleArn")
    if not role_arn and (service in ROLE_REQUIRED or (service == "events" and parts[5].startswith("api-destination/"))):
        raise errors.validation(f"RoleArn is required for target {target_arn}.")
    dead_letter_arn = (document.get("DeadLetterConfig") or {}).get("Arn")
    if dead_letter_arn and not dead_letter_arn.startswith("arn:aws:sqs:"):
        raise errors.not_valid("DeadLetterConfig.Arn", "Provided Arn is not in correct format.")
    if dead_letter_arn and dead_letter_arn.endswith(".fifo"):
        raise errors.validation(f"The dead-letter queue {dead_letter_arn} must be a standard queue.")
    if target_arn == bus_arn:
        raise errors.validation(f"Target {target_arn} is the event bus of the rule itself.")
    ours = service == "execute-api" or (service == "events" and parts[5].partition("/")[0] in ("event-bus", "api-destination"))
    if not ours and (service == "events" or not call.ground.outbox.takes(target_arn)):
        raise not_implemented(f"targets of {service} ({target_arn})")
    if role_arn:
        call.authorize("iam:PassRole", role_arn, {"iam:PassedToService": "events.amazonaws.com"})


@operation(resource=buses.named_rule, context=conditions.of_rule)
def list_targets_by_rule(call: Call, request: Request) -> Request:
    tx, rule = buses.load_rule(call, request.get("EventBusName"), request["Rule"])
    found, token = pages.page(tx, TARGETS, request, rule.bus_name, rule.rule_name)
    return {"Targets": [target.document for target in found], "NextToken": token}


@operation(resource=buses.named_rule, context=conditions.of_rule)
def remove_targets(call: Call, request: Request) -> Request:
    """Ids that the rule does not have are passed over, as on AWS."""
    tx, bus = buses.load(call, request.get("EventBusName"))
    rule = RULES.get(tx, bus.bus_name, request["Rule"])
    if rule is None:
        raise errors.no_rule(request["Rule"], bus.bus_name)
    if rule.managed_by and not request.get("Force"):
        raise errors.managed_rule(rule.rule_name, forcible=True)
    for target_id in request["Ids"]:
        target = TARGETS.get(tx, rule.bus_name, rule.rule_name, target_id)
        if target is not None:
            delete_target(tx, target)
    routing.changed(call, tx, rule.bus_name)
    return {"FailedEntryCount": 0, "FailedEntries": []}
