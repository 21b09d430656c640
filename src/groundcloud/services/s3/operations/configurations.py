"""Configurations of a bucket that are documents: kept as they came once they are right, and given back.

Those that act elsewhere: notification (`notifications`), cors (`cors`), website (`website`), lifecycle (`lifecycle`), logging (`access_logs`), inventory
(`inventory`), request payment (`permissions`), encryption and object lock (in
the bucket's record). Kept for their reader alone: acceleration, analytics, metrics, intelligent tiering.
"""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import access_logs, cors, encryption, errors, inventory, lifecycle, notifications, permissions, website
from groundcloud.services.s3.operations.policies import check_body
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, Bucket
from groundcloud.services.s3.tags import BUCKET_TAGS_MAX, check_tags

LIST_MAX = 100
"""AWS: configurations with an id come a hundred at a time."""
IDENTIFIED_MAX = 1000
TIERING_DAYS_MIN = {"ARCHIVE_ACCESS": 90, "DEEP_ARCHIVE_ACCESS": 180}
TIERING_DAYS_MAX = 730
"""AWS: Tiering, "Days"."""


def _open(call: Call, request: dict[str, Any], action: str) -> Bucket:
    return permissions.open_bucket(call, call.tx, request, action, context=lambda: _facts(request))


def _facts(request: dict[str, Any]) -> dict[str, Any]:
    """Condition keys of what a document asks for."""
    fields = (request.get("InventoryConfiguration") or {}).get("OptionalFields")
    return {"s3:InventoryAccessibleOptionalFields": list(fields)} if fields else {}


def _keep(call: Call, bucket: Bucket, kind: str, document: dict[str, Any], *, marks: bool = False) -> None:
    """`marks`: object operations must know that the bucket has one."""
    CONFIGURATIONS.put(call.tx, bucket.bucket_name, kind, "", document)
    if marks and kind not in bucket.configured:
        BUCKETS.put(call.tx, bucket.replace(configured=(*bucket.configured, kind)))


def _forget(call: Call, bucket: Bucket, kind: str) -> dict[str, Any]:
    CONFIGURATIONS.delete(call.tx, bucket.bucket_name, kind, "")
    if kind in bucket.configured:
        BUCKETS.put(call.tx, bucket.replace(configured=tuple(name for name in bucket.configured if name != kind)))
    return {}


def _load(call: Call, bucket: Bucket, kind: str, code: str = "", sentence: str = "") -> dict[str, Any]:
    found = CONFIGURATIONS.get(call.tx, bucket.bucket_name, kind, "")
    if found is None:
        if code:
            raise errors.no_such_configuration(code, sentence, bucket.bucket_name)
        return {}
    return found


# Tags


@operation(public=True)
def put_bucket_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutBucketTagging")
    check_body(call)
    tag_set = check_tags(request["Tagging"].get("TagSet") or [], limit=BUCKET_TAGS_MAX)
    if call.http is not None:  # stacks set theirs from inside
        for tag in tag_set:
            if tag["Key"].startswith("aws:"):
                raise errors.invalid_tag("System tags cannot be added/updated by requester", TagKey=tag["Key"])
    _keep(call, bucket, "tagging", {"TagSet": tag_set})
    return {}


@operation(public=True)
def get_bucket_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _load(call, _open(call, request, "s3:GetBucketTagging"), "tagging", "NoSuchTagSet", "The TagSet does not exist")


@operation(public=True)
def delete_bucket_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _forget(call, _open(call, request, "s3:PutBucketTagging"), "tagging")


# Attribute-based access control


@operation(public=True)
def put_bucket_abac(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutBucketAbac")
    check_body(call)
    if request["AbacStatus"].get("Status") != "Enabled":
        return _forget(call, bucket, "abac")
    _keep(call, bucket, "abac", {"Status": "Enabled"}, marks=True)
    return {}


@operation(public=True)
def get_bucket_abac(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:GetBucketAbac")
    return {"AbacStatus": _load(call, bucket, "abac") or {"Status": "Disabled"}}


# CORS


@operation(public=True)
def put_bucket_cors(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutBucketCORS")
    check_body(call)
    _keep(call, bucket, "cors", cors.checked(request["CORSConfiguration"]), marks=True)
    return {}


@operation(public=True)
def get_bucket_cors(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:GetBucketCORS")
    return _load(call, bucket, "cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist")


@operation(public=True)
def delete_bucket_cors(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _forget(call, _open(call, request, "s3:PutBucketCORS"), "cors")


# Website


@operation(public=True)
def put_bucket_website(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutBucketWebsite")
    check_body(call)
    _keep(call, bucket, "website", website.checked(request["WebsiteConfiguration"]))
    return {}


@operation(public=True)
def get_bucket_website(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:GetBucketWebsite")
    sentence = "The specified bucket does not have a website configuration"
    return _load(call, bucket, "website", "NoSuchWebsiteConfiguration", sentence)


@operation(public=True)
def delete_bucket_website(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _forget(call, _open(call, request, "s3:DeleteBucketWebsite"), "website")


# Lifecycle


@operation(public=True)
def put_bucket_lifecycle_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutLifecycleConfiguration")
    check_body(call)
    if "LifecycleConfiguration" not in request:
        raise errors.malformed_xml()
    document = lifecycle.checked(call, request["LifecycleConfiguration"])
    smallest = request.get("TransitionDefaultMinimumObjectSize", "all_storage_classes_128K")
    _keep(call, bucket, "lifecycle", {**document, "TransitionDefaultMinimumObjectSize": smallest}, marks=True)
    lifecycle.schedule(call, call.tx, bucket)
    return {"TransitionDefaultMinimumObjectSize": smallest}


@operation(public=True)
def get_bucket_lifecycle_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:GetLifecycleConfiguration")
    return _load(call, bucket, "lifecycle", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")


@operation(public=True)
def delete_bucket_lifecycle(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutLifecycleConfiguration")
    lifecycle.unschedule(call, call.tx, bucket)
    return _forget(call, bucket, "lifecycle")


# Encryption


@operation(public=True)
def put_bucket_encryption(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutEncryptionConfiguration")
    check_body(call)
    wanted, blocked = encryption.default_of(request["ServerSideEncryptionConfiguration"], bucket)
    configured = bucket.configured if "encryption" in bucket.configured else (*bucket.configured, "encryption")
    BUCKETS.put(call.tx, bucket.replace(encryption=wanted, blocked_encryption=blocked, configured=configured))
    return {}


@operation(public=True)
def get_bucket_encryption(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:GetEncryptionConfiguration")
    algorithm, key_id, bucket_key = bucket.encryption
    default = {"SSEAlgorithm": algorithm, "KMSMasterKeyID": key_id or None}
    rule: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket_key}
    if bucket.blocked_encryption:
        rule["BlockedEncryptionTypes"] = {"EncryptionType": list(bucket.blocked_encryption)}
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


@operation(public=True)
def delete_bucket_encryption(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutEncryptionConfiguration")
    # AWS: every bucket is encrypted; what is deleted falls back to SSE-S3.
    configured = tuple(name for name in bucket.configured if name != "encryption")
    BUCKETS.put(call.tx, bucket.replace(encryption=("AES256", "", False), configured=configured))
    return {}


# Notification


@operation(public=True)
async def put_bucket_notification_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    skip = bool(request.get("SkipDestinationValidation"))
    absent = set() if skip else await notifications.absent_targets(call, request["NotificationConfiguration"])
    with call.transaction():
        return _put_notification(call, request, skip, absent)


def _put_notification(call: Call, request: dict[str, Any], skip: bool, absent: set[str]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutBucketNotification")
    document, listeners = notifications.checked(call, bucket, request["NotificationConfiguration"], skip_destinations=skip, absent=absent)
    if not document:
        return _forget(call, bucket, "notification")
    _keep(call, bucket, "notification", document, marks=True)
    for target_arn in listeners:
        call.deliver(
            target_arn,
            notifications.test_event(call, bucket),
            principal=notifications.PRINCIPAL,
            source_arn=f"arn:aws:s3:::{bucket.bucket_name}",
        )
    return {}


@operation(public=True)
def get_bucket_notification_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _load(call, _open(call, request, "s3:GetBucketNotification"), "notification")


# Kept for their reader


@operation(public=True)
def put_bucket_logging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutBucketLogging")
    check_body(call)
    status = request["BucketLoggingStatus"]
    enabled = status.get("LoggingEnabled")
    access_logs.changed(call, call.tx)
    if not enabled:
        return _forget(call, bucket, "logging")
    target = BUCKETS.get(call.tx, enabled["TargetBucket"])
    if target is None or target.account != bucket.account:
        raise errors.S3Error(
            "InvalidTargetBucketForLogging",
            "The target bucket for logging does not exist",
            400,
            {"TargetBucket": enabled["TargetBucket"]},
        )
    if target.region != bucket.region:
        raise errors.S3Error(
            "CrossLocationLoggingProhibited",
            "Cross-Region logging is not allowed. A bucket in one Region cannot log information to a bucket in another Region.",
            403,
        )
    if enabled.get("TargetGrants") and target.ownership == "BucketOwnerEnforced":
        raise errors.invalid_argument(
            "The bucket owner enforced setting for Object Ownership does not allow target grants.", "TargetGrants", target.bucket_name
        )
    _keep(call, bucket, "logging", status, marks=True)
    return {}


@operation(public=True)
def get_bucket_logging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _load(call, _open(call, request, "s3:GetBucketLogging"), "logging")


@operation(public=True)
def put_bucket_request_payment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutBucketRequestPayment")
    check_body(call)
    payer = request["RequestPaymentConfiguration"]["Payer"]
    if payer == "BucketOwner":
        return _forget(call, bucket, "request-payment")
    _keep(call, bucket, "request-payment", {"Payer": payer}, marks=True)
    return {}


@operation(public=True)
def get_bucket_request_payment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _load(call, _open(call, request, "s3:GetBucketRequestPayment"), "request-payment") or {"Payer": "BucketOwner"}


@operation(public=True)
def put_bucket_accelerate_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutAccelerateConfiguration")
    status = request["AccelerateConfiguration"].get("Status")
    if status is None:
        raise errors.malformed_xml()
    if "." in bucket.bucket_name:
        raise errors.invalid_request("S3 Transfer Acceleration is not supported for buckets with periods (.) in their names")
    _keep(call, bucket, "accelerate", {"Status": status})
    return {}


@operation(public=True)
def get_bucket_accelerate_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _load(call, _open(call, request, "s3:GetAccelerateConfiguration"), "accelerate")


def _put_identified(call: Call, request: dict[str, Any], action: str, kind: str, document: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, action)
    if document.get("Id") != request["Id"]:
        raise errors.S3Error("IdMismatch", "Document ID does not match the specified configuration ID.", 400)
    name = bucket.bucket_name
    if (
        not CONFIGURATIONS.has(call.tx, name, kind, request["Id"])
        and sum(1 for _ in CONFIGURATIONS.keys(call.tx, name, kind)) >= IDENTIFIED_MAX
    ):
        raise errors.S3Error(
            "TooManyConfigurations", "You are attempting to create a new configuration but have already reached the limit.", 400
        )
    CONFIGURATIONS.put(call.tx, name, kind, request["Id"], document)
    return {}


def _get_identified(call: Call, request: dict[str, Any], action: str, kind: str) -> dict[str, Any]:
    bucket = _open(call, request, action)
    found = CONFIGURATIONS.get(call.tx, bucket.bucket_name, kind, request["Id"])
    if found is None:
        raise errors.no_such_configuration("NoSuchConfiguration", "The specified configuration does not exist.", bucket.bucket_name)
    return found


def _delete_identified(call: Call, request: dict[str, Any], action: str, kind: str) -> dict[str, Any]:
    bucket = _open(call, request, action)
    if not CONFIGURATIONS.has(call.tx, bucket.bucket_name, kind, request["Id"]):
        raise errors.no_such_configuration("NoSuchConfiguration", "The specified configuration does not exist.", bucket.bucket_name)
    CONFIGURATIONS.delete(call.tx, bucket.bucket_name, kind, request["Id"])
    return {}


def _list_identified(call: Call, request: dict[str, Any], action: str, kind: str, member: str) -> dict[str, Any]:
    bucket = _open(call, request, action)
    token = request.get("ContinuationToken")
    found = list(CONFIGURATIONS.scan(call.tx, bucket.bucket_name, kind, after=token, limit=LIST_MAX + 1))
    page = found[:LIST_MAX]
    more = len(found) > LIST_MAX
    return {
        member: page or None,
        "IsTruncated": more,
        "ContinuationToken": token,
        "NextContinuationToken": page[-1]["Id"] if more else None,
    }


@operation(public=True)
def put_bucket_analytics_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _put_identified(call, request, "s3:PutAnalyticsConfiguration", "analytics", request["AnalyticsConfiguration"])


@operation(public=True)
def get_bucket_analytics_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"AnalyticsConfiguration": _get_identified(call, request, "s3:GetAnalyticsConfiguration", "analytics")}


@operation(public=True)
def delete_bucket_analytics_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _delete_identified(call, request, "s3:PutAnalyticsConfiguration", "analytics")


@operation(public=True)
def list_bucket_analytics_configurations(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _list_identified(call, request, "s3:GetAnalyticsConfiguration", "analytics", "AnalyticsConfigurationList")


@operation(public=True)
def put_bucket_inventory_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _open(call, request, "s3:PutInventoryConfiguration")
    inventory.checked(call.tx, bucket, request["InventoryConfiguration"])
    _put_identified(call, request, "s3:PutInventoryConfiguration", "inventory", request["InventoryConfiguration"])
    inventory.schedule(call, call.tx, bucket)
    return {}


@operation(public=True)
def get_bucket_inventory_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"InventoryConfiguration": _get_identified(call, request, "s3:GetInventoryConfiguration", "inventory")}


@operation(public=True)
def delete_bucket_inventory_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _delete_identified(call, request, "s3:PutInventoryConfiguration", "inventory")


@operation(public=True)
def list_bucket_inventory_configurations(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _list_identified(call, request, "s3:GetInventoryConfiguration", "inventory", "InventoryConfigurationList")


@operation(public=True)
def put_bucket_metrics_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _put_identified(call, request, "s3:PutMetricsConfiguration", "metrics", request["MetricsConfiguration"])


@operation(public=True)
def get_bucket_metrics_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"MetricsConfiguration": _get_identified(call, request, "s3:GetMetricsConfiguration", "metrics")}


@operation(public=True)
def delete_bucket_metrics_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _delete_identified(call, request, "s3:PutMetricsConfiguration", "metrics")


@operation(public=True)
def list_bucket_metrics_configurations(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _list_identified(call, request, "s3:GetMetricsConfiguration", "metrics", "MetricsConfigurationList")


@operation(public=True)
def put_bucket_intelligent_tiering_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    for tiering in request["IntelligentTieringConfiguration"]["Tierings"]:
        least = TIERING_DAYS_MIN[tiering["AccessTier"]]
        if not least <= tiering["Days"] <= TIERING_DAYS_MAX:
            raise errors.invalid_argument(
                f"'Days' for access tier '{tiering['AccessTier']}' must be between {least} and {TIERING_DAYS_MAX}", "Days", tiering["Days"]
            )
    return _put_identified(
        call, request, "s3:PutIntelligentTieringConfiguration", "intelligent-tiering", request["IntelligentTieringConfiguration"]
    )


@operation(public=True)
def get_bucket_intelligent_tiering_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    found = _get_identified(call, request, "s3:GetIntelligentTieringConfiguration", "intelligent-tiering")
    return {"IntelligentTieringConfiguration": found}


@operation(public=True)
def delete_bucket_intelligent_tiering_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _delete_identified(call, request, "s3:PutIntelligentTieringConfiguration", "intelligent-tiering")


@operation(public=True)
def list_bucket_intelligent_tiering_configurations(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    member = "IntelligentTieringConfigurationList"
    return _list_identified(call, request, "s3:GetIntelligentTieringConfiguration", "intelligent-tiering", member)
