"""Event source mappings: what is polled on a function's behalf."""

from __future__ import annotations

import re
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import conditions, errors, execution, filters, names, publishing, tags
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import CHECKPOINTS, MAPPINGS, Mapping
from groundcloud.services.lambda_.stream_sources import stream_of
from groundcloud.store import Transaction

ITEMS_MAX = 100
RECORD_AGE_S_MIN = 60
"""AWS: "Processing records from Kinesis", MaximumRecordAgeInSeconds: "-1, minimum 60 seconds"."""

BATCH_SIZE_MAX = {"sqs": 10_000, "dynamodb": 10_000, "kinesis": 10_000}
FIFO_BATCH_SIZE_MAX = 10
PROVISIONED_POLLERS = {"MinimumPollers": 2, "MaximumPollers": 200}
"""Defaults for a queue, of which the first is the least there may be. Source: the model's ProvisionedPollerConfig."""

_STREAM: dict[str, Any] = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "FilterCriteria": None,
    "FunctionResponseTypes": [],
    "StartingPosition": None,
    "ParallelizationFactor": 1,
    "MaximumRecordAgeInSeconds": -1,
    "BisectBatchOnFunctionError": False,
    "MaximumRetryAttempts": -1,
    "TumblingWindowInSeconds": 0,
    "DestinationConfig": {"OnFailure": {}},
    "MetricsConfig": None,
    "KMSKeyArn": None,
}

# Members of the request that are kept under their own names, by source, with their defaults.
_SETTINGS: dict[str, dict[str, Any]] = {
    "sqs": {
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FilterCriteria": None,
        "FunctionResponseTypes": [],
        "ScalingConfig": None,
        "ProvisionedPollerConfig": None,
        "MetricsConfig": None,
        "KMSKeyArn": None,
    },
    "dynamodb": _STREAM,
    "kinesis": {**_STREAM, "StartingPositionTimestamp": None},
}
_NEEDED = {
    "sqs": ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
    "dynamodb": ("GetRecords", "GetShardIterator", "DescribeStream"),
    "kinesis": ("GetRecords", "GetShardIterator", "DescribeStream", "ListShards"),
}
_FIFO = re.compile(r"\.fifo$")


def _function_condition(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """AWS: these operations have no resource in IAM, but the condition key lambda:FunctionArn."""
    facts = conditions.of_tags(call, request)
    mapping = MAPPINGS.get(call.reading(), request.get("UUID") or "")
    if mapping is not None:
        facts |= {"lambda:FunctionArn": _name(call, mapping).qualified_arn, **conditions.resource_tags(mapping.tags)}
    if request.get("FunctionName"):
        facts["lambda:FunctionArn"] = names.of(call, {"FunctionName": request["FunctionName"]}).qualified_arn
    return facts


@operation(context=_function_condition)
async def create_event_source_mapping(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name = names.of(call, {"FunctionName": request["FunctionName"]})
    target = execution.target(call, name)
    if execution.isolates_tenants(target.version):
        raise errors.invalid_parameter("Event source mappings are not supported for functions with tenant isolation.")
    source_arn = request.get("EventSourceArn") or ""
    if not source_arn and not request.get("SelfManagedEventSource"):
        raise errors.invalid_parameter("Unrecognized event source.")
    service = _source(source_arn)
    settings = _settings(service, source_arn, request, {})
    given = tags.of_new(call, request.get("Tags"), call.arn("lambda", "event-source-mapping:*"))
    settings.update(await _check_source(call, service, source_arn, target, settings))
    with call.transaction() as tx:
        _refuse_twin(call, tx, name, source_arn)
        mapping = Mapping(
            mapping_id=call.new_id(),
            source_arn=source_arn,
            function_name=name.name,
            qualifier=name.qualifier,
            enabled=request.get("Enabled") is not False,
            generation=call.token(16),
            last_modified_ms=call.now_ms,
            settings=settings,
            tags=given,
            fifo=bool(_FIFO.search(source_arn)),
        )
        MAPPINGS.put(tx, mapping)
        start(call, tx, mapping)
    return document(call, mapping, state="Creating")


@operation(context=_function_condition)
def get_event_source_mapping(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _deciphered(call, document(call, _load(call.tx, request["UUID"])))


@operation()
def list_event_source_mappings(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    name = names.of(call, {"FunctionName": request["FunctionName"]}) if request.get("FunctionName") else None
    source_arn = request.get("EventSourceArn")
    found: list[Mapping] = []
    for mapping in MAPPINGS.scan(call.tx, after=request.get("Marker")):
        if name is not None and (mapping.function_name != name.name or (name.qualifier and mapping.qualifier != name.qualifier)):
            continue
        if source_arn is None or mapping.source_arn == source_arn:
            found.append(mapping)
            if len(found) > limit:
                break
    marker = found[limit - 1].mapping_id if len(found) > limit else None
    documents = [document(call, mapping) for mapping in found[:limit]]
    for shown in documents:
        if shown.get("KMSKeyArn"):
            shown.pop("FilterCriteria", None)  # encrypted, as AWS says: only one mapping alone shows it
    return {"EventSourceMappings": documents, "NextMarker": marker}


@operation(context=_function_condition)
async def update_event_source_mapping(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    mapping = _load(call.reading(), request["UUID"])
    name = names.of(call, {"FunctionName": request["FunctionName"]}) if request.get("FunctionName") else _name(call, mapping)
    service = _source(mapping.source_arn)
    settings = _settings(service, mapping.source_arn, request, mapping.settings)
    settings.update(await _check_source(call, service, mapping.source_arn, execution.target(call, name), settings))
    with call.transaction() as tx:
        mapping = _load(tx, request["UUID"])
        enabled = mapping.enabled if request.get("Enabled") is None else request["Enabled"]
        changed = mapping.replace(
            function_name=name.name,
            qualifier=name.qualifier,
            enabled=enabled,
            generation=call.token(16),
            last_modified_ms=call.now_ms,
            settings=settings,
            last_result="",
        )
        MAPPINGS.put(tx, changed)
        start(call, tx, changed)
    state = "Updating" if enabled == mapping.enabled else "Enabling" if enabled else "Disabling"
    return document(call, changed, state=state)


@operation(context=_function_condition)
def delete_event_source_mapping(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    mapping = _load(call.tx, request["UUID"])
    MAPPINGS.delete(call.tx, mapping.mapping_id)
    for key in list(CHECKPOINTS.keys(call.tx, mapping.mapping_id)):
        CHECKPOINTS.delete(call.tx, *key)
    call.unschedule("lambda.poll", mapping.mapping_id)
    return _deciphered(call, document(call, mapping, state="Deleting"))


def _deciphered(call: Call, shown: dict[str, Any]) -> dict[str, Any]:
    """With filter criteria under a key only for those who may decrypt with it."""
    key_arn = shown.get("KMSKeyArn")
    if key_arn and shown.get("FilterCriteria") and not call.allowed("kms:Decrypt", key_arn):
        del shown["FilterCriteria"]
        sentence = f"{call.principal.arn} is not authorized to perform: kms:Decrypt on resource: {key_arn}"
        shown["FilterCriteriaError"] = {"ErrorCode": "AccessDeniedException", "Message": sentence}
    return shown


def start(call: Call, tx: Transaction, mapping: Mapping) -> None:
    """The loop of this generation, in place of the one before."""
    if mapping.enabled:
        call.schedule(call.now_ms, "lambda.poll", [mapping.mapping_id, mapping.generation], key=mapping.mapping_id, tx=tx)
    else:
        call.unschedule("lambda.poll", mapping.mapping_id, tx=tx)


def _load(tx: Transaction, mapping_id: str) -> Mapping:
    mapping = MAPPINGS.get(tx, mapping_id)
    if mapping is None:
        raise errors.resource_not_found()
    return mapping


def _name(call: Call, mapping: Mapping) -> FunctionName:
    return FunctionName(call.account, call.region, mapping.function_name, mapping.qualifier)


def document(call: Call, mapping: Mapping, *, state: str = "") -> dict[str, Any]:
    """EventSourceMappingConfiguration. `state` is what an operation that changes it answers; the change itself is done by then."""
    shown = {member: value for member, value in mapping.settings.items() if member != "VisibilityTimeout"}
    return {
        "FunctionResponseTypes": [],
        **shown,
        "UUID": mapping.mapping_id,
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": _name(call, mapping).qualified_arn,
        "LastModified": mapping.last_modified_ms / 1000,
        "LastProcessingResult": mapping.last_result or (None if ":sqs:" in mapping.source_arn else "No records processed"),
        "State": state or ("Enabled" if mapping.enabled else "Disabled"),
        "StateTransitionReason": mapping.reason,
        "EventSourceMappingArn": f"arn:aws:lambda:{call.region}:{call.account}:event-source-mapping:{mapping.mapping_id}",
    }


# Checks


def _source(source_arn: str) -> str:
    """The service that is polled. Raises AwsError for what cannot be."""
    if not source_arn:
        raise errors.invalid_parameter("Groundcloud does not implement event sources without an EventSourceArn (self-managed Kafka) yet.")
    service = source_arn.split(":")[2]
    if service not in _SETTINGS:
        raise errors.invalid_parameter(f"Groundcloud does not implement event source mappings of {service} yet ({source_arn}).")
    return service


def _settings(service: str, source_arn: str, request: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The members that this source takes, with defaults; others are refused by name. Raises AwsError."""
    own = {"FunctionName", "EventSourceArn", "Enabled", "Tags", "UUID"}
    foreign = sorted(
        member for member, value in request.items() if value is not None and member not in own and member not in _SETTINGS[service]
    )
    if foreign:
        raise errors.invalid_parameter(f"Groundcloud does not support {', '.join(foreign)} for event source mappings of {service}.")
    settings = dict(before)
    for member, default in _SETTINGS[service].items():
        if request.get(member) is not None:
            settings[member] = request[member]
        elif member not in settings and default is not None:
            settings[member] = default
    try:
        filters.compile_all(settings.get("FilterCriteria"))
    except ValueError:
        raise errors.invalid_parameter("Invalid filter pattern definition.") from None
    if not (settings.get("FilterCriteria") or {}).get("Filters"):
        settings.pop("FilterCriteria", None)
    for member in ("ScalingConfig", "ProvisionedPollerConfig", "MetricsConfig", "KMSKeyArn"):
        if not settings.get(member):  # an empty one takes it away
            settings.pop(member, None)
    _check_metrics(service, settings)
    if "ProvisionedPollerConfig" in settings:
        settings["ProvisionedPollerConfig"] = _provisioned(settings)
    age_s = settings.get("MaximumRecordAgeInSeconds", -1)
    if -1 < age_s < RECORD_AGE_S_MIN:
        raise errors.invalid_parameter(f"MaximumRecordAgeInSeconds must be -1, or between {RECORD_AGE_S_MIN} and 604800.")
    size, window_s = settings["BatchSize"], settings["MaximumBatchingWindowInSeconds"]
    if size > BATCH_SIZE_MAX[service]:
        raise errors.invalid_parameter(f"Maximum batch size for {service} is {BATCH_SIZE_MAX[service]}")
    if service == "sqs":
        if _FIFO.search(source_arn):
            if size > FIFO_BATCH_SIZE_MAX:
                raise errors.invalid_parameter("Maximum batch size for FIFO queues is 10.")
            if window_s:
                raise errors.invalid_parameter("Batching window is not supported for FIFO queues.")
        elif size > 10 and not window_s:
            raise errors.invalid_parameter(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            )
    return settings


def _check_metrics(service: str, settings: dict[str, Any]) -> None:
    """Raises AwsError for metrics that only other sources have."""
    foreign = [name for name in (settings.get("MetricsConfig") or {}).get("Metrics") or () if name != "EventCount"]
    if foreign:
        raise errors.invalid_parameter(f"Unsupported metrics for event source mappings of {service}: {', '.join(foreign)}.")


def _provisioned(settings: dict[str, Any]) -> dict[str, Any]:
    """ProvisionedPollerConfig of a queue with its defaults. Raises AwsError. The ranges are AWS's; the sentences are not known."""
    given = settings["ProvisionedPollerConfig"]
    if given.get("PollerGroupName"):
        raise errors.invalid_parameter("PollerGroupName is only supported for Amazon MSK and self-managed Apache Kafka event sources.")
    if settings.get("ScalingConfig"):
        raise errors.invalid_parameter("ProvisionedPollerConfig cannot be used together with ScalingConfig MaximumConcurrency.")
    config = {**PROVISIONED_POLLERS, **given}
    if config["MinimumPollers"] < PROVISIONED_POLLERS["MinimumPollers"] or config["MaximumPollers"] < PROVISIONED_POLLERS["MinimumPollers"]:
        raise errors.invalid_parameter("MinimumPollers and MaximumPollers must be at least 2 for Amazon SQS event sources.")
    if config["MinimumPollers"] > config["MaximumPollers"]:
        raise errors.invalid_parameter("MinimumPollers must be less than or equal to MaximumPollers.")
    return config


async def _check_source(call: Call, service: str, source_arn: str, target: execution.Target, settings: dict[str, Any]) -> dict[str, Any]:
    """The source exists and the function's role may read it; what polling must know of it. Raises AwsError."""
    role_arn = target.version.role
    if service == "kinesis" and stream_of(source_arn) != source_arn:
        await _check_consumer(call, source_arn, target, settings)
        return {}
    missing = [action for action in _NEEDED[service] if not publishing.role_may(call, role_arn, f"{service}:{action}", source_arn)]
    if missing and service == "sqs":
        raise errors.invalid_parameter(f"The function execution role does not have permissions to call {missing[0]} on SQS")
    if missing:
        raise errors.invalid_parameter(
            f"Cannot access stream {source_arn}. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, "
            f"{'ListShards, ' if service == 'kinesis' else ''}and ListStreams Actions on your stream in IAM."
        )
    if service == "sqs":
        return await _check_queue(call, source_arn, target)
    _check_reading(call, source_arn, target, settings)
    await _check_exists(call, source_arn, target)
    return {}


async def _check_queue(call: Call, queue_arn: str, target: execution.Target) -> dict[str, Any]:
    parts = queue_arn.split(":")
    params = {"QueueUrl": f"{call.settings.endpoint}/{parts[4]}/{parts[5]}", "AttributeNames": ["VisibilityTimeout"]}
    try:
        answer = await call.request("sqs", "GetQueueAttributes", params, as_=target.version.role, account=parts[4], region=parts[3])
    except AwsError as error:
        code = "AWS.SimpleQueueService.NonExistentQueue" if error.code == "QueueDoesNotExist" else error.code
        raise errors.invalid_parameter(
            f"Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {error.message}"
        ) from error
    visibility_s = int(answer["Attributes"]["VisibilityTimeout"])
    if visibility_s < target.version.timeout_s:
        raise errors.invalid_parameter(
            f"Queue visibility timeout: {visibility_s} seconds is less than Function timeout: {target.version.timeout_s} seconds"
        )
    return {"VisibilityTimeout": visibility_s}


def _check_reading(call: Call, stream_arn: str, target: execution.Target, settings: dict[str, Any]) -> None:
    """What the settings of a stream must keep to. Raises AwsError."""
    position, moment_s = settings.get("StartingPosition"), settings.get("StartingPositionTimestamp")
    if position is None:
        raise errors.validation(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."
        )
    if settings["TumblingWindowInSeconds"] and settings["ParallelizationFactor"] > 1:
        raise errors.invalid_parameter("ParallelizationFactor must be 1 when TumblingWindowInSeconds is set.")
    if position == "AT_TIMESTAMP":
        if ":dynamodb:" in stream_arn:
            raise errors.invalid_parameter("Unsupported starting position for DynamoDB streams: AT_TIMESTAMP")
        if moment_s is None:
            raise errors.invalid_parameter("StartingPositionTimestamp must be set when StartingPosition is AT_TIMESTAMP.")
        if moment_s * 1000 > call.now_ms:
            raise errors.invalid_parameter("StartingPositionTimestamp cannot be in the future.")
    elif moment_s is not None:
        raise errors.invalid_parameter("StartingPositionTimestamp is only valid when StartingPosition is AT_TIMESTAMP.")
    destination = ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    if destination:
        publishing.check_sender(call, destination, target.version.role)


async def _check_exists(call: Call, stream_arn: str, target: execution.Target) -> None:
    """Raises AwsError where there is no such stream, or the role may not see it."""
    parts = stream_arn.split(":")
    service, member = ("dynamodbstreams", "StreamArn") if parts[2] == "dynamodb" else ("kinesis", "StreamARN")
    try:
        await call.request(service, "DescribeStream", {member: stream_arn}, as_=target.version.role, account=parts[4], region=parts[3])
    except AwsError as error:
        raise errors.invalid_parameter(f"Stream not found: {stream_arn}") from error


async def _check_consumer(call: Call, consumer_arn: str, target: execution.Target, settings: dict[str, Any]) -> None:
    """A consumer of a Kinesis stream. Raises AwsError."""
    needed = {"SubscribeToShard": consumer_arn, "ListShards": stream_of(consumer_arn)}
    if not all(publishing.role_may(call, target.version.role, f"kinesis:{action}", arn) for action, arn in needed.items()):
        raise errors.invalid_parameter(
            f"Cannot access stream consumer {consumer_arn}. Please ensure the role can perform the SubscribeToShard Action on your stream consumer "
            "and the ListShards Action on your stream in IAM."
        )
    _check_reading(call, consumer_arn, target, settings)
    parts = consumer_arn.split(":")
    try:
        # The role need not be allowed this: only that there is no such consumer is of interest.
        await call.request(
            "kinesis", "DescribeStreamConsumer", {"ConsumerARN": consumer_arn}, as_=target.version.role, account=parts[4], region=parts[3]
        )
    except AwsError as error:
        if error.code == "ResourceNotFoundException":
            raise errors.invalid_parameter(f"Stream consumer not found: {consumer_arn}") from error


def _refuse_twin(call: Call, tx: Transaction, name: FunctionName, source_arn: str) -> None:
    for mapping in MAPPINGS.scan(tx):
        if mapping.source_arn == source_arn and (mapping.function_name, mapping.qualifier) == (name.name, name.qualifier):
            raise errors.conflict(
                f'An event source mapping with {source_arn.split(":")[2].upper()} arn (" {source_arn} ") and function (" {name.name} ") already exists. '
                f"Please update or delete the existing mapping with UUID {mapping.mapping_id}"
            )
