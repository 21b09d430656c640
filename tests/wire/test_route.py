"""Which operation a request is for: tables of requests as SDKs send them."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest

from groundcloud.base.errors import AwsError
from groundcloud.wire import model as models
from groundcloud.wire.message import HttpRequest
from groundcloud.wire.route import Route, identify, router


def request(method: str, uri: str, headers: dict[str, str] | None = None, body: bytes = b"") -> HttpRequest:
    path, _, query_string = uri.partition("?")
    return HttpRequest(method, path, query_string, {"host": "localhost:4566", **(headers or {})}, body)


def route(http: HttpRequest, signing_name: str | None) -> Route:
    return asyncio.run(identify(http, signing_name))


def form(host: str = "localhost:4566", uri: str = "/", **fields: str) -> HttpRequest:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", "host": host}
    return request("POST", uri, headers, urlencode(fields).encode())


@pytest.mark.parametrize(
    ("target", "service", "operation"),
    [
        ("AmazonSQS.SendMessage", "sqs", "SendMessage"),
        ("DynamoDB_20120810.GetItem", "dynamodb", "GetItem"),
        ("DynamoDBStreams_20120810.GetRecords", "dynamodbstreams", "GetRecords"),
        ("AWSEvents.PutEvents", "events", "PutEvents"),
        ("Logs_20140328.PutLogEvents", "logs", "PutLogEvents"),
        ("AWSStepFunctions.StartExecution", "stepfunctions", "StartExecution"),
        ("TrentService.Encrypt", "kms", "Encrypt"),
        ("AmazonSSM.GetParameter", "ssm", "GetParameter"),
        ("secretsmanager.GetSecretValue", "secretsmanager", "GetSecretValue"),
        ("GraniteServiceVersion20100801.PutMetricData", "cloudwatch", "PutMetricData"),
    ],
)
def test_the_target_header_names_service_and_operation(target: str, service: str, operation: str) -> None:
    assert route(request("POST", "/", {"x-amz-target": target}), None) == Route(service, operation, "json", {})


@pytest.mark.parametrize(
    ("http", "signing_name", "wanted"),
    [
        (form(Action="ListUsers", Version="2010-05-08"), "iam", ("iam", "ListUsers")),
        (form(Action="GetCallerIdentity", Version="2011-06-15"), "sts", ("sts", "GetCallerIdentity")),
        (form(Action="AssumeRoleWithWebIdentity", Version="2011-06-15"), None, ("sts", "AssumeRoleWithWebIdentity")),
        (form(Action="Publish", Version="2010-03-31"), None, ("sns", "Publish")),
        (form(Action="ConfirmSubscription"), None, ("sns", "ConfirmSubscription")),
        (form(Action="DescribeStacks", Version="2010-05-15"), "cloudformation", ("cloudformation", "DescribeStacks")),
        (form(Action="SendMessage", Version="2012-11-05"), "sqs", ("sqs", "SendMessage")),
        (form(Action="SendMessage", Version="2012-11-05", uri="/000000000000/orders"), None, ("sqs", "SendMessage")),
        (form(Action="SendEmail", Version="2010-12-01"), "email", ("ses", "SendEmail")),
        (form(Action="SendEmail", Version="2010-12-01"), "ses", ("ses", "SendEmail")),
        (form(Action="PutMetricData", Version="2010-08-01"), "monitoring", ("cloudwatch", "PutMetricData")),
        (request("GET", "/?Action=GetCallerIdentity&Version=2011-06-15"), "sts", ("sts", "GetCallerIdentity")),
        (request("GET", "/?Action=ListTopics&Version=2010-03-31"), None, ("sns", "ListTopics")),
        (request("GET", "/000000000000/orders?Action=ReceiveMessage&Version=2012-11-05"), None, ("sqs", "ReceiveMessage")),
    ],
)
def test_an_action_is_found_by_scope_or_by_version(http: HttpRequest, signing_name: str | None, wanted: tuple[str, str]) -> None:
    found = route(http, signing_name)
    assert (found.service, found.operation, found.protocol) == (*wanted, "query")


def test_a_path_of_rpc_v2_names_service_and_operation() -> None:
    http = request("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", {"smithy-protocol": "rpc-v2-cbor"})
    assert route(http, "monitoring") == Route("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", {})


COPY = {"x-amz-copy-source": "/other/key"}


@pytest.mark.parametrize(
    ("method", "uri", "headers", "operation", "labels"),
    [
        ("GET", "/", {}, "ListBuckets", {}),
        ("GET", "/?x-id=ListBuckets", {}, "ListBuckets", {}),
        ("GET", "/?x-id=ListDirectoryBuckets", {}, "ListDirectoryBuckets", {}),
        ("PUT", "/b", {}, "CreateBucket", {"Bucket": "b"}),
        ("PUT", "/b/", {}, "CreateBucket", {"Bucket": "b"}),
        ("DELETE", "/b", {}, "DeleteBucket", {"Bucket": "b"}),
        ("HEAD", "/b", {}, "HeadBucket", {"Bucket": "b"}),
        ("GET", "/b", {}, "ListObjects", {"Bucket": "b"}),
        ("GET", "/b/", {}, "ListObjects", {"Bucket": "b"}),
        ("GET", "/b?prefix=x&delimiter=%2F", {}, "ListObjects", {"Bucket": "b"}),
        ("GET", "/b?list-type=2", {}, "ListObjectsV2", {"Bucket": "b"}),
        ("GET", "/b?prefix=p&list-type=2&max-keys=3", {}, "ListObjectsV2", {"Bucket": "b"}),
        ("GET", "/b?versions", {}, "ListObjectVersions", {"Bucket": "b"}),
        ("GET", "/b?versions=&prefix=x", {}, "ListObjectVersions", {"Bucket": "b"}),
        ("GET", "/b?uploads", {}, "ListMultipartUploads", {"Bucket": "b"}),
        ("GET", "/b?location", {}, "GetBucketLocation", {"Bucket": "b"}),
        ("GET", "/b?acl", {}, "GetBucketAcl", {"Bucket": "b"}),
        ("PUT", "/b?acl", {}, "PutBucketAcl", {"Bucket": "b"}),
        ("GET", "/b?notification", {}, "GetBucketNotificationConfiguration", {"Bucket": "b"}),
        ("PUT", "/b?notification", {}, "PutBucketNotificationConfiguration", {"Bucket": "b"}),
        ("GET", "/b?lifecycle", {}, "GetBucketLifecycleConfiguration", {"Bucket": "b"}),
        ("PUT", "/b?lifecycle", {}, "PutBucketLifecycleConfiguration", {"Bucket": "b"}),
        ("DELETE", "/b?lifecycle", {}, "DeleteBucketLifecycle", {"Bucket": "b"}),
        ("GET", "/b?metrics&id=all", {}, "GetBucketMetricsConfiguration", {"Bucket": "b"}),
        ("GET", "/b?metrics", {}, "ListBucketMetricsConfigurations", {"Bucket": "b"}),
        ("GET", "/b?versioning", {}, "GetBucketVersioning", {"Bucket": "b"}),
        ("POST", "/b?delete", {}, "DeleteObjects", {"Bucket": "b"}),
        ("GET", "/b/k", {}, "GetObject", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k?x-id=GetObject", {}, "GetObject", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/a/b//c/", {}, "GetObject", {"Bucket": "b", "Key": "a/b//c/"}),
        ("GET", "/b//k", {}, "GetObject", {"Bucket": "b", "Key": "/k"}),
        ("GET", "/b/caf%C3%A9%20%2B+", {}, "GetObject", {"Bucket": "b", "Key": "café ++"}),
        ("GET", "/b/..%2F..%2Fetc", {}, "GetObject", {"Bucket": "b", "Key": "../../etc"}),
        ("GET", "/b/k?versionId=3&response-content-type=a", {}, "GetObject", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k?partNumber=1", {}, "GetObject", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k?uploadId=u", {}, "ListParts", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k?uploadId=u&part-number-marker=2", {}, "ListParts", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k?tagging", {}, "GetObjectTagging", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k?attributes", {"x-amz-object-attributes": "ETag"}, "GetObjectAttributes", {"Bucket": "b", "Key": "k"}),
        ("HEAD", "/b/k", {}, "HeadObject", {"Bucket": "b", "Key": "k"}),
        ("DELETE", "/b/k", {}, "DeleteObject", {"Bucket": "b", "Key": "k"}),
        ("DELETE", "/b/k?tagging", {}, "DeleteObjectTagging", {"Bucket": "b", "Key": "k"}),
        ("DELETE", "/b/k?uploadId=u", {}, "AbortMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k", {}, "PutObject", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k?x-id=PutObject", {}, "PutObject", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k", COPY, "CopyObject", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k?x-id=CopyObject", COPY, "CopyObject", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k?partNumber=1&uploadId=u", {}, "UploadPart", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k?partNumber=1&uploadId=u", COPY, "UploadPartCopy", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k?acl", {}, "PutObjectAcl", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k?tagging", {}, "PutObjectTagging", {"Bucket": "b", "Key": "k"}),
        ("POST", "/b/k?uploads", {}, "CreateMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("POST", "/b/k?uploadId=u", {}, "CompleteMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("POST", "/b/k?select&select-type=2", {}, "SelectObjectContent", {"Bucket": "b", "Key": "k"}),
        ("POST", "/b/k?restore", {}, "RestoreObject", {"Bucket": "b", "Key": "k"}),
    ],
)
def test_an_operation_of_s3(method: str, uri: str, headers: dict[str, str], operation: str, labels: dict[str, str]) -> None:
    assert route(request(method, uri, headers), "s3") == Route("s3", operation, "rest-xml", labels)


def test_an_unsigned_request_is_for_s3() -> None:
    assert route(request("GET", "/bucket/key"), None).operation == "GetObject"


@pytest.mark.parametrize(
    ("method", "uri", "signing_name", "service", "operation", "labels"),
    [
        ("POST", "/2015-03-31/functions/f/invocations", "lambda", "lambda", "Invoke", {"FunctionName": "f"}),
        ("POST", "/2015-03-31/functions", "lambda", "lambda", "CreateFunction", {}),
        ("GET", "/2015-03-31/functions/", "lambda", "lambda", "ListFunctions", {}),
        (
            "GET",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af",
            "lambda",
            "lambda",
            "GetFunction",
            {"FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f"},
        ),
        ("PUT", "/2015-03-31/functions/f/code", "lambda", "lambda", "UpdateFunctionCode", {"FunctionName": "f"}),
        ("GET", "/2015-03-31/functions/f/aliases/live", "lambda", "lambda", "GetAlias", {"FunctionName": "f", "Name": "live"}),
        ("GET", "/2015-03-31/event-source-mappings", "lambda", "lambda", "ListEventSourceMappings", {}),
        ("GET", "/2018-10-31/layers?find=LayerVersion&Arn=a", "lambda", "lambda", "GetLayerVersionByArn", {}),
        ("GET", "/2018-10-31/layers", "lambda", "lambda", "ListLayers", {}),
        ("POST", "/restapis", "apigateway", "apigateway", "CreateRestApi", {}),
        ("PUT", "/restapis/a?mode=merge", "apigateway", "apigateway", "PutRestApi", {"restapi_id": "a"}),
        ("POST", "/restapis?mode=import", "apigateway", "apigateway", "ImportRestApi", {}),
        (
            "PUT",
            "/restapis/a/resources/r/methods/GET",
            "apigateway",
            "apigateway",
            "PutMethod",
            {"restapi_id": "a", "resource_id": "r", "http_method": "GET"},
        ),
        ("POST", "/v2/apis", "apigateway", "apigatewayv2", "CreateApi", {}),
        ("GET", "/v2/apis/a/routes/r", "apigateway", "apigatewayv2", "GetRoute", {"apiId": "a", "routeId": "r"}),
        ("POST", "/v2/email/outbound-emails", "ses", "sesv2", "SendEmail", {}),
        ("POST", "/@connections/c", "execute-api", "apigatewaymanagementapi", "PostToConnection", {"connectionId": "c"}),
        ("GET", "/2013-04-01/hostedzone", "route53", "route53", "ListHostedZones", {}),
    ],
)
def test_an_operation_of_a_rest_service(
    method: str, uri: str, signing_name: str, service: str, operation: str, labels: dict[str, str]
) -> None:
    found = route(request(method, uri), signing_name)
    assert (found.service, found.operation, found.labels) == (service, operation, labels)


def test_s3_control_is_told_from_s3_by_its_account_header() -> None:
    control = request("GET", "/v20180820/configuration/publicAccessBlock", {"x-amz-account-id": "000000000000"})
    assert route(control, "s3")[:2] == ("s3control", "GetPublicAccessBlock")
    assert route(request("GET", "/v20180820/key"), "s3")[:2] == ("s3", "GetObject")
    greedy = request("GET", "/v20180820/mrap/instances/arn/of/it/policy", {"x-amz-account-id": "000000000000"})
    assert route(greedy, "s3").labels == {"name": "arn/of/it"}


@pytest.mark.parametrize(
    ("http", "signing_name", "code"),
    [
        (request("POST", "/", {"x-amz-target": "Nothing.Here"}), None, "UnknownOperationException"),
        (request("POST", "/", {"x-amz-target": "nonsense"}), None, "UnknownOperationException"),
        (request("POST", "/"), "dynamodb", "UnknownOperationException"),
        (request("GET", "/nowhere"), "lambda", "UnknownOperationException"),
        (request("PATCH", "/b/k"), "s3", "MethodNotAllowed"),
        (request("POST", "/b"), "s3", "PreconditionFailed"),
        (request("GET", "/"), "braket", "UnknownService"),
        (request("GET", "/b/%ff%fe"), "s3", "InvalidURI"),
        (request("GET", "/b/%zz"), "s3", "InvalidURI"),
        (request("GET", "/b/a%2"), "s3", "InvalidURI"),
        (request("POST", "/service/x", {"smithy-protocol": "rpc-v2-cbor"}), None, "UnknownOperationException"),
        (form(Action="Nothing", Version="1999-01-01"), None, "UnknownOperationException"),
        (request("POST", "/", {"content-type": "application/x-www-form-urlencoded"}, b"Action=\xff"), "iam", "MalformedQueryString"),
        (request("GET", "/b?" + "&".join(["a"] * 10_001)), "s3", "MalformedQueryString"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(http: HttpRequest, signing_name: str | None, code: str) -> None:
    with pytest.raises(AwsError) as caught:
        route(http, signing_name)
    assert caught.value.code == code


def test_every_rest_operation_of_every_model_is_reached_by_its_own_request() -> None:
    """Whatever botocore's serializer writes for an operation comes back to it."""
    astray = []
    for service in models.index():
        model = models.load(service)
        if not model.metadata["protocol"].startswith("rest") or service == "s3":
            continue
        for name in model.operation_names:
            operation = model.operation(name)
            shape: dict[str, Any] = model.shapes.get(operation.input_shape or "", {"members": {}})
            path, _, query = operation.request_uri.partition("?")
            for member, reference in shape["members"].items():
                label = reference.get("locationName", member)
                path = path.replace("{" + label + "}", "x1").replace("{" + label + "+}", "x1/y")
            parts = [query] if query else []
            headers = {}
            for member in shape.get("required", ()):
                reference = shape["members"][member]
                if reference.get("location") == "querystring":
                    parts.append(f"{reference.get('locationName', member)}=1")
                elif reference.get("location") == "header":
                    headers[reference.get("locationName", member).lower()] = "1"
            found = router(service).match(request(operation.http_method, f"{path}?{'&'.join(parts)}", headers))
            if found is None or found[0].name != name:
                astray.append((service, name, found and found[0].name))
    assert astray == []
