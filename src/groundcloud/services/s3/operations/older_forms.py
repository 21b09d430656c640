"""The forms of lifecycle and notification that came before today's, which old SDKs still name.

On the wire each is today's operation: the same method and path, and documents that differ in nothing but what the new may say more. So the router sends
them all to today's, and these stand here for who names them without a wire. AWS: "PutBucketLifecycle", "PutBucketNotification": deprecated.
"""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors
from groundcloud.services.s3.operations import configurations

_KINDS = (
    ("TopicConfiguration", "Topic", "TopicConfigurations", "TopicArn"),
    ("QueueConfiguration", "Queue", "QueueConfigurations", "QueueArn"),
    ("CloudFunctionConfiguration", "CloudFunction", "LambdaFunctionConfigurations", "LambdaFunctionArn"),
)
"""Member and target of the older form, member and target of today's."""


@operation(public=True, action="s3:PutLifecycleConfiguration")
def put_bucket_lifecycle(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    document = request.get("LifecycleConfiguration")
    if not document:
        raise errors.malformed_xml()
    rules = [_newer_rule(rule) for rule in document["Rules"]]
    configurations.put_bucket_lifecycle_configuration(call, {**request, "LifecycleConfiguration": {"Rules": rules}})
    return {}


@operation(public=True, action="s3:GetLifecycleConfiguration")
def get_bucket_lifecycle(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Rules": [_older_rule(rule) for rule in configurations.get_bucket_lifecycle_configuration(call, request)["Rules"]]}


def _newer_rule(rule: dict[str, Any]) -> dict[str, Any]:
    newer = {name: value for name, value in rule.items() if name not in ("Transition", "NoncurrentVersionTransition")}
    for name in ("Transition", "NoncurrentVersionTransition"):
        if name in rule:
            newer[f"{name}s"] = [rule[name]]
    return newer


def _older_rule(rule: dict[str, Any]) -> dict[str, Any]:
    older = {name: value for name, value in rule.items() if name not in ("Transitions", "NoncurrentVersionTransitions", "Filter")}
    older.setdefault("Prefix", (rule.get("Filter") or {}).get("Prefix", ""))
    for name in ("Transition", "NoncurrentVersionTransition"):
        if rule.get(f"{name}s"):
            older[name] = rule[f"{name}s"][0]
    return older


@operation(public=True, action="s3:PutBucketNotification")
async def put_bucket_notification(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    document = request["NotificationConfiguration"]
    newer: dict[str, Any] = {}
    for older_name, older_target, name, target in _KINDS:
        one = document.get(older_name)
        if one:
            events = [*(one.get("Events") or ()), *([one["Event"]] if "Event" in one and not one.get("Events") else ())]
            kept = {"Id": one.get("Id"), "Events": events, target: one.get(older_target)}
            newer[name] = [{key: value for key, value in kept.items() if value is not None}]
    return await configurations.put_bucket_notification_configuration(call, {**request, "NotificationConfiguration": newer})


@operation(public=True, action="s3:GetBucketNotification")
def get_bucket_notification(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    document = configurations.get_bucket_notification_configuration(call, request)
    older: dict[str, Any] = {}
    for older_name, older_target, name, target in _KINDS:
        for one in (document.get(name) or ())[:1]:
            older[older_name] = {"Id": one["Id"], "Events": one["Events"], older_target: one[target]}
    return older
