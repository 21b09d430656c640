"""S3's errors, with their codes, statuses and sentences. Source: API reference, "Error responses", and the service's own answers."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.wire.model import Model, Operation
from groundcloud.wire.validate import Violation


class S3Error(AwsError):
    """An error with response headers of its own beside the document."""

    def __init__(
        self, code: str, message: str, status: int, fields: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(code, message, status=status, fields=fields)
        self.headers = headers or {}


_ENUM_SENTENCES = {
    "EncodingType": "Invalid Encoding Method specified in Request",
    "MetadataDirective": "Unknown metadata directive.",
    "TaggingDirective": "Unknown tagging directive.",
    "ServerSideEncryption": "The encryption method specified is not supported",
    "ObjectLockMode": "Unknown wormMode directive.",
    "ObjectLockLegalHoldStatus": "Legal Hold must be either of 'ON' or 'OFF'",
    "BucketCannedACL": "",
    "ObjectCannedACL": "",
    "ObjectOwnership": "Invalid x-amz-object-ownership header: {value}",
}
"""Shape of a header or query parameter -> what S3 says of a value that it does not know."""


def explain(model: Model, operation: Operation, found: list[Violation]) -> AwsError:
    """Violations of shapes in S3's words: a header by its name, a document as malformed."""
    first = found[0]
    member = first.path.partition(".")[0]
    shape = model.shapes[operation.input_shape or ""]
    for name, reference in shape["members"].items():
        if name[:1].lower() + name[1:] != member:
            continue
        where = reference.get("location")
        if operation.name == "SelectObjectContent" and where is None:
            from groundcloud.services.s3.select.errors import of_violation

            return of_violation(first)
        if reference["shape"] == "StorageClass":
            return invalid_storage_class(first.value)
        if name == "CopySource":
            return invalid_copy_source(first.value)
        if first.kind == "enum" and first.path == member and reference["shape"] in _ENUM_SENTENCES:
            sentence = _ENUM_SENTENCES[reference["shape"]].format(value=first.value)
            return invalid_argument(sentence, reference.get("locationName", name), first.value)
        if name == "ObjectAttributes":
            if first.kind == "missing":
                return invalid_request(
                    "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty"
                )
            return invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", first.value)
        if name == "UploadId" and operation.http_method == "POST":
            return method_not_allowed("POST", "OBJECT")
        if name == "MaxBuckets":
            return invalid_argument("Argument max-buckets must be an integer between 1 and 10000.", "max-buckets", first.value)
        if first.kind == "enum" and reference["shape"] == "ChecksumAlgorithm":
            valid = ", ".join(sorted(model.shapes["ChecksumAlgorithm"]["enum"]))
            return invalid_request(f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{valid}]")
        if where is None and "events" in first.path:
            return invalid_argument("The event is not supported for notifications", "Event", first.value)
        if name == "ObjectEncryption" and first.kind == "pattern":
            return invalid_request(
                "Requests that modify an object's encryption type to SSE-KMS require a valid AWS KMS key Amazon Resource Name (ARN). Confirm that you "
                "have a correctly formatted KMS key ARN in your request, and then try again."
            )
        if where is None:
            if first.kind == "missing" and first.path == member and shape.get("payload") == name:
                return missing_request_body()
            return malformed_acl() if name == "AccessControlPolicy" else malformed_xml()
        wire_name = reference.get("locationName", name)
        if first.kind == "missing":
            return invalid_request(
                f"Missing required header for this request: {wire_name}" if where == "header" else f"Missing {wire_name}"
            )
        return invalid_argument(f"Invalid value for {wire_name}", wire_name, first.value)
    return malformed_xml()


def no_such_bucket(bucket_name: str) -> S3Error:
    return S3Error("NoSuchBucket", "The specified bucket does not exist", 404, {"BucketName": bucket_name})


def no_such_key(key: str, headers: dict[str, str] | None = None) -> S3Error:
    return S3Error("NoSuchKey", "The specified key does not exist.", 404, {"Key": key}, headers)


def no_such_version(key: str, version_id: str) -> S3Error:
    return S3Error("NoSuchVersion", "The specified version does not exist.", 404, {"Key": key, "VersionId": version_id})


def no_such_upload(upload_id: str) -> S3Error:
    return S3Error(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
        404,
        {"UploadId": upload_id},
    )


def bucket_already_exists(bucket_name: str) -> S3Error:
    return S3Error(
        "BucketAlreadyExists",
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again.",
        409,
        {"BucketName": bucket_name},
    )


def bucket_already_owned_by_you(bucket_name: str) -> S3Error:
    return S3Error(
        "BucketAlreadyOwnedByYou",
        "Your previous request to create the named bucket succeeded and you already own it.",
        409,
        {"BucketName": bucket_name},
    )


def bucket_not_empty(bucket_name: str, *, versioned: bool) -> S3Error:
    sentence = "The bucket you tried to delete is not empty"
    if versioned:
        sentence += ". You must delete all versions in the bucket."
    return S3Error("BucketNotEmpty", sentence, 409, {"BucketName": bucket_name})


def invalid_bucket_name(bucket_name: str) -> S3Error:
    return S3Error("InvalidBucketName", "The specified bucket is not valid.", 400, {"BucketName": bucket_name})


def wrong_region(region: str, expected: str, *, presigned: bool) -> S3Error:
    """Of a signature for another region than the bucket's; the header is what SDKs look for."""
    what = "Error parsing the X-Amz-Credential parameter" if presigned else "The authorization header is malformed"
    return S3Error(
        "AuthorizationQueryParametersError" if presigned else "AuthorizationHeaderMalformed",
        f"{what}; the region '{region}' is wrong; expecting '{expected}'",
        400,
        {"Region": expected},
        {"x-amz-bucket-region": expected},
    )


def permanent_redirect(bucket_name: str, region: str) -> S3Error:
    return S3Error(
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
        301,
        {"Endpoint": f"{bucket_name}.s3.{region}.amazonaws.com", "Bucket": bucket_name},
        {"x-amz-bucket-region": region},
    )


def illegal_location_constraint(location: str) -> S3Error:
    return S3Error(
        "IllegalLocationConstraintException",
        f"The {location} location constraint is incompatible for the region specific endpoint this request was sent to.",
        400,
    )


def invalid_account_id(account: str) -> S3Error:
    return S3Error(
        "InvalidBucketOwnerAWSAccountID",
        f"The value of the expected bucket owner parameter must be an AWS Account ID... [{account}]",
        400,
    )


def invalid_location_constraint(location: str) -> S3Error:
    return S3Error("InvalidLocationConstraint", "The specified location-constraint is not valid", 400, {"LocationConstraint": location})


def access_denied() -> S3Error:
    return S3Error("AccessDenied", "Access Denied", 403)


def access_denied_because(sentence: str) -> S3Error:
    return S3Error("AccessDenied", sentence, 403)


def invalid_range(requested: str, size_bytes: int) -> S3Error:
    return S3Error(
        "InvalidRange",
        "The requested range is not satisfiable",
        416,
        {"RangeRequested": requested, "ActualObjectSize": size_bytes},
        {"content-range": f"bytes */{size_bytes}"},
    )


def invalid_part_number(part_number: int, parts_count: int) -> S3Error:
    return S3Error(
        "InvalidPartNumber",
        "The requested partnumber is not satisfiable",
        416,
        {"PartNumberRequested": part_number, "ActualPartCount": parts_count},
    )


def precondition_failed(condition: str) -> S3Error:
    return S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412, {"Condition": condition})


def not_modified(headers: dict[str, str]) -> S3Error:
    return S3Error("NotModified", "Not Modified", 304, headers=headers)


def method_not_allowed(method: str, resource_type: str, headers: dict[str, str] | None = None) -> S3Error:
    return S3Error(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        405,
        {"Method": method, "ResourceType": resource_type},
        headers,
    )


def entity_too_small(part_number: int, size_bytes: int, minimum: int, etag: str) -> S3Error:
    return S3Error(
        "EntityTooSmall",
        "Your proposed upload is smaller than the minimum allowed size",
        400,
        {"ProposedSize": size_bytes, "MinSizeAllowed": minimum, "PartNumber": part_number, "ETag": etag},
    )


def entity_too_large(size_bytes: int, maximum: int) -> S3Error:
    return S3Error(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        400,
        {"ProposedSize": size_bytes, "MaxSizeAllowed": maximum},
    )


def invalid_part(upload_id: str, part_number: int, etag: str) -> S3Error:
    return S3Error(
        "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not "
        "match the part's entity tag.",
        400,
        {"UploadId": upload_id, "PartNumber": part_number, "ETag": etag},
    )


def invalid_part_order(upload_id: str) -> S3Error:
    return S3Error(
        "InvalidPartOrder",
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
        400,
        {"UploadId": upload_id},
    )


def bad_digest(expected: str, calculated: str) -> S3Error:
    return S3Error(
        "BadDigest",
        "The Content-MD5 you specified did not match what we received.",
        400,
        {"ExpectedDigest": expected, "CalculatedDigest": calculated},
    )


def bad_checksum(algorithm: str) -> S3Error:
    return S3Error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.", 400)


def invalid_digest(value: str) -> S3Error:
    return S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.", 400, {"Content-MD5": value})


def key_too_long(size_bytes: int) -> S3Error:
    return S3Error("KeyTooLongError", "Your key is too long", 400, {"Size": size_bytes, "MaxSizeAllowed": 1024})


def metadata_too_large(size_bytes: int, maximum: int) -> S3Error:
    return S3Error(
        "MetadataTooLarge",
        "Your metadata headers exceed the maximum allowed metadata size",
        400,
        {"Size": size_bytes, "MaxSizeAllowed": maximum},
    )


def invalid_argument(sentence: str, name: str, value: Any) -> S3Error:
    return S3Error("InvalidArgument", sentence, 400, {"ArgumentName": name, "ArgumentValue": value})


def retention_is_over(name: str, until_s: float) -> S3Error:
    from groundcloud.wire.timestamps import iso8601

    return invalid_argument("The retain until date must be in the future!", name, iso8601(until_s))


def invalid_request(sentence: str) -> S3Error:
    return S3Error("InvalidRequest", sentence, 400)


def invalid_copy_source(value: Any) -> S3Error:
    return invalid_argument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", value)


def malformed_xml() -> S3Error:
    return S3Error("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema", 400)


def malformed_acl() -> S3Error:
    return S3Error("MalformedACLError", "The XML you provided was not well-formed or did not validate against our published schema", 400)


def missing_request_body() -> S3Error:
    return S3Error("MissingRequestBodyError", "Request body is empty.", 400)


def malformed_trailer() -> S3Error:
    return S3Error(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        400,
    )


def missing_content_length() -> S3Error:
    return S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)


def incomplete_body() -> S3Error:
    return S3Error("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header", 400)


def conditional_conflict(condition: str, key: str) -> S3Error:
    return S3Error(
        "ConditionalRequestConflict",
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
        409,
        {"Condition": condition, "Key": key},
    )


def invalid_tag(sentence: str, **fields: Any) -> S3Error:
    return S3Error("InvalidTag", sentence, 400, fields)


def no_such_configuration(code: str, sentence: str, bucket_name: str) -> S3Error:
    return S3Error(code, sentence, 404, {"BucketName": bucket_name})


def not_implemented(header: str, more: str | None = None) -> S3Error:
    sentence = "A header you provided implies functionality that is not implemented"
    return S3Error("NotImplemented", sentence, 501, {"Header": header, "additionalMessage": more})


def refused(what: str) -> S3Error:
    """Something that AWS has and this room has not yet."""
    return S3Error("NotImplemented", f"Groundcloud does not implement {what} yet.", 501)


def of_kms(error: AwsError) -> AwsError:
    """What S3 says where KMS refuses: its code after "KMS.", its sentence. AWS: "Error responses", List of error codes."""
    if error.code in ("AccessDeniedException", "AccessDenied"):
        return S3Error("AccessDenied", error.message, 403)
    if (error.status or 400) >= 500:
        return error
    return S3Error(f"KMS.{error.code}", error.message, 400)


def acl_not_supported() -> S3Error:
    return S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs", 400)


def invalid_storage_class(value: str) -> S3Error:
    return S3Error("InvalidStorageClass", "The storage class you specified is not valid", 400, {"StorageClassRequested": value})
