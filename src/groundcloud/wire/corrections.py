"""Corrections to the models, as data: where AWS's services speak otherwise than botocore's models say."""

from __future__ import annotations

from typing import Any

ERROR_NAMESPACES = {
    "dynamodb": "com.amazonaws.dynamodb.v20120810",
    "dynamodbstreams": "com.amazonaws.dynamodb.v20120810",
    "sqs": "com.amazonaws.sqs",
}
"""What stands before `#` in the `__type` of a JSON error."""

CHECKSUMMED = frozenset(("dynamodb", "dynamodbstreams"))
"""Services whose answers carry `x-amz-crc32`, which AWS's SDKs for Go and Java compare with the body."""

PAYLOAD_CONTENT_TYPES = {("lambda", "Invoke"): "application/json"}
"""What a blob that is the whole answer is said to be, where that is not application/octet-stream."""

UNWRAPPED_ERRORS = {"s3", "s3control"}
"""REST-XML services whose error document is `<Error>` itself."""


BODIES_BYTES_MAX = {("s3", ""): 8 * 1024**2, ("s3", "DeleteObjects"): 2 * 1024**2}
"""(service, operation or "" for all of them) -> how long a document may be, where that is less than the server takes. S3: 10,000 parts with their checksums; a
thousand keys of a kilobyte."""

TOO_LONG = {"s3": ("MaxMessageLengthExceeded", "Your request was too big.", 400)}
"""What is said of a longer one: code, sentence, status. Source: S3 API Reference, "List of error codes"."""


UNREADABLE = {
    "s3": (
        "InvalidArgument",
        "Provided {name} not an integer or within integer range",
        {
            "partNumber": "Part number must be an integer between 1 and 10000, inclusive",
            "x-amz-object-lock-retain-until-date": "The retain until date must be provided in ISO 8601 format",
        },
    )
}
"""What is said of a header or query parameter whose text is not of its type: code, sentence, the sentences of some; where that is not SerializationException."""


NOT_ROUTED = {"s3": {"GetBucketLifecycle", "PutBucketLifecycle", "GetBucketNotification", "PutBucketNotification"}}
"""Deprecated operations that share method, path and query with their successors (`...Configuration`), which answer for both."""


def correct(service: str, raw: dict[str, Any]) -> None:
    if service == "sqs":
        raw["metadata"]["protocols"] = ["json", "query"]
        raw["metadata"]["xmlNamespace"] = "http://queue.amazonaws.com/doc/2012-11-05/"
        for operation in raw["operations"].values():
            if operation.get("output"):
                operation["output"]["resultWrapper"] = f"{operation['name']}Result"
    elif service == "lambda":
        raw["shapes"]["EnvironmentVariables"]["sensitive"] = True  # sentences about it do not show it; the models here do without the trait
        raw["shapes"]["RuntimeOfFunction"] = {"type": "string"}  # Lambda has a sentence for those it does not know
        for name in ("CreateFunctionRequest", "UpdateFunctionConfigurationRequest"):
            raw["shapes"][name]["members"]["Runtime"]["shape"] = "RuntimeOfFunction"
    elif service == "s3":
        # Present in requests though the model leaves it to the client's customisations.
        raw["shapes"].setdefault("BucketLocationConstraint", {"type": "string"}).pop("enum", None)
        raw["shapes"]["FilterRuleName"].pop("enum", None)  # taken in any case: `Prefix` too
        raw["shapes"]["ChecksumMode"].pop("enum", None)
        raw["shapes"]["Protocol"].pop("enum", None)  # S3 has a sentence for others
        raw["shapes"]["CopySource"].pop("pattern", None)  # its slash may be encoded, as JavaScript's encodeURIComponent does
        for name in ("GetObjectRequest", "HeadObjectRequest"):  # given back as it came
            raw["shapes"][name]["members"]["ResponseExpires"]["shape"] = "ResponseContentType"
        for name, root in _S3_ROOTS.items():
            raw["shapes"][name]["locationName"] = root
        # The answer is the constraint itself, not a structure around it.
        location = raw["shapes"]["GetBucketLocationOutput"]
        location["payload"] = "LocationConstraint"
        location["members"]["LocationConstraint"].update(
            locationName="LocationConstraint", xmlNamespace="http://s3.amazonaws.com/doc/2006-03-01/"
        )
        raw["shapes"]["BucketCannedACL"]["enum"].append("log-delivery-write")  # API Reference: PutBucketAcl, "Canned ACL"
        # 202 where a restore begins, 200 where the copy is there already.
        raw["shapes"]["RestoreObjectOutput"]["members"]["StatusCode"] = {"shape": "MaxKeys", "location": "statusCode"}
    elif service == "s3control":
        # A bucket's ARN has neither region nor account. User Guide: "Using tags with S3 general purpose buckets".
        raw["shapes"]["S3ResourceArn"]["pattern"] = "arn:[^:]+:s3(express)?:.*"
        # The model's pattern lets no ARN of a Multi-Region Access Point through, which is what its documentation asks for.
        raw["shapes"]["MultiRegionAccessPointId"]["pattern"] = "^[a-zA-Z0-9\\:./-]{3,200}$"


_S3_ROOTS = {
    "CompleteMultipartUploadOutput": "CompleteMultipartUploadResult",
    "CreateMultipartUploadOutput": "InitiateMultipartUploadResult",
    "DeleteObjectsOutput": "DeleteResult",
    "GetBucketAccelerateConfigurationOutput": "AccelerateConfiguration",
    "GetBucketAclOutput": "AccessControlPolicy",
    "GetBucketCorsOutput": "CORSConfiguration",
    "GetBucketLifecycleConfigurationOutput": "LifecycleConfiguration",
    "GetBucketLoggingOutput": "BucketLoggingStatus",
    "GetBucketRequestPaymentOutput": "RequestPaymentConfiguration",
    "GetBucketTaggingOutput": "Tagging",
    "GetBucketVersioningOutput": "VersioningConfiguration",
    "GetBucketWebsiteOutput": "WebsiteConfiguration",
    "GetObjectAclOutput": "AccessControlPolicy",
    "GetObjectAttributesOutput": "GetObjectAttributesResponse",
    "GetObjectTaggingOutput": "Tagging",
    "ListBucketAnalyticsConfigurationsOutput": "ListBucketAnalyticsConfigurationResult",
    "ListBucketInventoryConfigurationsOutput": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurationsOutput": "ListMetricsConfigurationsResult",
    "ListBucketsOutput": "ListAllMyBucketsResult",
    "ListMultipartUploadsOutput": "ListMultipartUploadsResult",
    "ListObjectVersionsOutput": "ListVersionsResult",
    "ListObjectsOutput": "ListBucketResult",
    "ListObjectsV2Output": "ListBucketResult",
    "ListPartsOutput": "ListPartsResult",
}
"""Root elements of S3's documents, which botocore does not read; clients in Rust and Java do. Source: S3 API reference, response syntax."""


# SQS spoke the query protocol until 2023; botocore's model no longer says how its lists and maps are written there.
# Source: Amazon SQS API Reference (query request parameters, for example `Attribute.1.Name`, `SendMessageBatchRequestEntry.1.Id`).
_SQS_NAMES = {
    "QueueAttributeMap": ("Attribute", "Name", "Value"),
    "MessageBodyAttributeMap": ("MessageAttribute", "Name", "Value"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name", "Value"),
    "MessageSystemAttributeMap": ("Attribute", "Name", "Value"),
    "TagMap": ("Tag", "Key", "Value"),
    "AttributeNameList": ("AttributeName",),
    "MessageAttributeNameList": ("MessageAttributeName",),
    "MessageSystemAttributeList": ("MessageSystemAttributeName",),
    "AWSAccountIdList": ("AWSAccountId",),
    "ActionNameList": ("ActionName",),
    "TagKeyList": ("TagKey",),
    "QueueUrlList": ("QueueUrl",),
    "MessageList": ("Message",),
    "SendMessageBatchRequestEntryList": ("SendMessageBatchRequestEntry",),
    "SendMessageBatchResultEntryList": ("SendMessageBatchResultEntry",),
    "DeleteMessageBatchRequestEntryList": ("DeleteMessageBatchRequestEntry",),
    "DeleteMessageBatchResultEntryList": ("DeleteMessageBatchResultEntry",),
    "ChangeMessageVisibilityBatchRequestEntryList": ("ChangeMessageVisibilityBatchRequestEntry",),
    "ChangeMessageVisibilityBatchResultEntryList": ("ChangeMessageVisibilityBatchResultEntry",),
    "BatchResultErrorEntryList": ("BatchResultErrorEntry",),
    "StringList": ("StringListValue",),
    "BinaryList": ("BinaryListValue",),
    "ListMessageMoveTasksResultEntryList": ("ListMessageMoveTasksResultEntry",),
}


def query_shape(service: str, name: str, shape: dict[str, Any]) -> dict[str, Any]:
    """The shape as the query protocol and its XML answers write it."""
    names = _SQS_NAMES.get(name) if service == "sqs" else None
    if names is None:
        return shape
    changed = dict(shape, flattened=True)
    if shape["type"] == "map":
        changed["key"] = dict(shape["key"], locationName=names[1])
        changed["value"] = dict(shape["value"], locationName=names[2])
        changed["flatName"] = names[0]
    else:
        changed["member"] = dict(shape["member"], locationName=names[0])
        changed["flatName"] = names[0]
    return changed


QUERY_ERROR_CODES = {
    ("sqs", name): "AWS.SimpleQueueService." + code
    for name, code in {
        "QueueDoesNotExist": "NonExistentQueue",
        "QueueDeletedRecently": "QueueDeletedRecently",
        "PurgeQueueInProgress": "PurgeQueueInProgress",
        "MessageNotInflight": "MessageNotInflight",
        "UnsupportedOperation": "UnsupportedOperation",
        "TooManyEntriesInBatchRequest": "TooManyEntriesInBatchRequest",
        "EmptyBatchRequest": "EmptyBatchRequest",
        "BatchEntryIdsNotDistinct": "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong": "BatchRequestTooLong",
        "InvalidBatchEntryId": "InvalidBatchEntryId",
    }.items()
} | {("sqs", "QueueNameExists"): "QueueAlreadyExists"}
"""Codes of the query protocol (and of `x-amzn-query-error`) where they are not the shape's name."""
