"""What botocore writes we read as it was meant, and what we write botocore reads so: random parameters and results by shape."""

import asyncio
import io
import math
import string
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore import parsers, serialize
from botocore.compat import HTTPHeaders
from botocore.model import OperationModel, ServiceModel, Shape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundcloud.wire import model as models
from groundcloud.wire.codec import Codecs
from groundcloud.wire.message import HttpRequest
from groundcloud.wire.route import identify

OPERATIONS = [
    ("sqs", "SendMessage"), ("sqs", "SendMessageBatch"), ("sqs", "ReceiveMessage"), ("sqs", "CreateQueue"), ("sqs", "GetQueueAttributes"),
    ("dynamodb", "PutItem"), ("dynamodb", "Query"), ("dynamodb", "CreateTable"), ("dynamodb", "BatchWriteItem"), ("dynamodb", "DescribeTable"),
    ("s3", "ListObjectsV2"), ("s3", "ListObjects"), ("s3", "PutObject"), ("s3", "GetObject"), ("s3", "HeadObject"), ("s3", "CopyObject"), ("s3", "DeleteObjects"),
    ("s3", "CompleteMultipartUpload"), ("s3", "PutBucketLifecycleConfiguration"), ("s3", "GetBucketLifecycleConfiguration"),
    ("s3", "PutBucketNotificationConfiguration"), ("s3", "GetBucketNotificationConfiguration"), ("s3", "ListObjectVersions"), ("s3", "ListParts"),
    ("s3", "GetBucketAcl"), ("s3", "PutBucketCors"), ("s3", "ListBuckets"), ("s3", "GetBucketLocation"),
    ("lambda", "Invoke"), ("lambda", "CreateFunction"), ("lambda", "CreateEventSourceMapping"), ("lambda", "ListFunctions"), ("lambda", "PutFunctionEventInvokeConfig"),
    ("iam", "CreateRole"), ("iam", "ListRoles"), ("iam", "SimulatePrincipalPolicy"), ("iam", "GetAccountAuthorizationDetails"), ("iam", "TagUser"),
    ("sts", "AssumeRole"), ("sts", "GetCallerIdentity"),
    ("cloudformation", "CreateStack"), ("cloudformation", "DescribeStacks"), ("cloudformation", "DescribeStackEvents"), ("cloudformation", "CreateChangeSet"),
    ("cloudwatch", "PutMetricData"), ("cloudwatch", "GetMetricData"), ("cloudwatch", "PutMetricAlarm"), ("cloudwatch", "DescribeAlarms"),
    ("logs", "PutLogEvents"), ("logs", "FilterLogEvents"), ("events", "PutRule"), ("events", "PutTargets"), ("events", "PutEvents"),
    ("sns", "Publish"), ("sns", "SetTopicAttributes"), ("sns", "PublishBatch"), ("stepfunctions", "StartExecution"), ("stepfunctions", "GetExecutionHistory"),
    ("apigateway", "CreateRestApi"), ("apigateway", "GetRestApis"), ("apigateway", "PutIntegration"), ("apigatewayv2", "CreateApi"), ("apigatewayv2", "GetRoutes"),
    ("kms", "Encrypt"), ("secretsmanager", "PutSecretValue"), ("route53", "ChangeResourceRecordSets"), ("route53", "ListHostedZones"),
    ("cloudfront", "CreateDistribution"), ("cloudfront", "ListDistributions"), ("scheduler", "CreateSchedule"), ("pipes", "DescribePipe"), ("ses", "SendEmail"),
    ("elbv2", "DescribeTargetGroups"), ("rds", "DescribeDBInstances"), ("kinesis", "PutRecords"), ("ssm", "PutParameter"),
]  # fmt: skip

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufffe\uffff", exclude_categories=["Cs", "Cc"]), max_size=12)
BARE = st.text(string.ascii_letters + string.digits + "-_.:/", min_size=1, max_size=8)
XML_SPACE_ENDS = ("s3", "route53", "cloudfront")
"""Protocols in XML: white space at the ends of text is kept by neither side, nor is it here."""


@cache
def service_model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def values(shape: Shape, depth: int, *, located: bool = False) -> st.SearchStrategy[Any]:
    """Values of a shape. `located` members stand in paths, headers or queries, where fewer characters may."""
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return st.recursive(TEXT | st.integers(0, 9), lambda inner: st.dictionaries(BARE, inner, min_size=1, max_size=2), max_leaves=3)
        return structures(shape, depth)
    if kind == "list":
        return st.lists(values(shape.member, depth + 1, located=located), min_size=1, max_size=2 if depth < 3 else 1)
    if kind == "map":
        keys = st.sampled_from(shape.key.enum) if getattr(shape.key, "enum", None) else BARE
        return st.dictionaries(keys, values(shape.value, depth + 1, located=located), min_size=1, max_size=2)
    if kind in ("integer", "long"):
        return st.integers(0, 10_000)
    if kind in ("float", "double"):
        return st.floats(0, 1e6, width=32).map(lambda number: round(number, 3))
    if kind == "boolean":
        return st.booleans()
    if kind == "timestamp":
        return st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
    if kind == "blob":
        return st.binary(min_size=1, max_size=12)
    if getattr(shape, "enum", None):
        return st.sampled_from([value for value in shape.enum if value])
    return BARE if located else TEXT.map(str.strip).filter(bool)


@st.composite
def structures(draw: st.DrawFn, shape: Any, depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    members = list(shape.members.items())
    if getattr(shape, "is_tagged_union", False):
        members = [draw(st.sampled_from(members))]
    for name, member in members:
        where = member.serialization.get("location")
        required = name in shape.required_members or getattr(shape, "is_tagged_union", False)
        if member.serialization.get("eventstream") or getattr(member, "is_event_stream", False) or where == "statusCode":
            continue
        if not required and (depth > 4 or not draw(st.booleans())):
            continue
        if depth > 7 and not required:
            continue
        if (
            depth > 12 or name == "ResponseExpires" or (name == "Expires" and where == "header")
        ):  # text in S3's model, a moment in botocore's mind
            continue
        if member.serialization.get("jsonvalue"):
            out[name] = {"a": 1}
        elif where == "headers":
            out[name] = draw(st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=5), BARE, min_size=1, max_size=2))
        else:
            out[name] = draw(values(member, depth + 1, located=where is not None))
    return out


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, float) and math.isfinite(value):
        return round(value, 6)
    return value


async def parsed(http: HttpRequest, service: str) -> tuple[str, dict[str, Any]]:
    route = await identify(http, models.load(service).signing_name)
    params = await Codecs(models.load(service)).get(route.operation, route.protocol).parse(http, route.labels)
    for name, value in params.items():
        if hasattr(value, "read"):
            params[name] = await value.read()
    return route.operation, params


def request_of(operation: OperationModel, params: dict[str, Any]) -> HttpRequest:
    protocol = operation.service_model.resolved_protocol
    sent = serialize.create_serializer(protocol, include_validation=False).serialize_to_request(params, operation)
    from urllib.parse import urlencode

    body = sent["body"]
    if isinstance(body, dict):
        body = urlencode(body, doseq=True).encode()
        sent["headers"].setdefault("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
    elif isinstance(body, str):
        body = body.encode()
    path, _, query = sent["url_path"].partition("?")
    extra = urlencode(sent["query_string"], doseq=True) if sent["query_string"] else ""
    headers = {name.lower(): str(value) for name, value in sent["headers"].items()}
    return HttpRequest(sent["method"], path, "&".join(filter(None, [query, extra])), {"host": "localhost", **headers}, body or b"")


@pytest.mark.slow
@pytest.mark.parametrize(("service", "name"), OPERATIONS, ids=[f"{service}-{name}" for service, name in OPERATIONS])
def test_parameters_survive_botocore_s_serializer_and_our_parser(service: str, name: str) -> None:
    operation = service_model(service).operation_model(name)
    if operation.input_shape is None:
        pytest.skip("takes no parameters")

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(structures(operation.input_shape, 0))
    def check(params: dict[str, Any]) -> None:
        found, got = asyncio.run(parsed(request_of(operation, params), service))
        if service != "s3":  # random queries of S3 may name other operations
            assert found == name
        if found == name:
            for token in operation.idempotent_members:
                if token not in params:
                    got.pop(token, None)
            if got.get("Body") == b"":
                del got["Body"]  # a streamed body is always there, if empty
            assert _without_empty(comparable(got)) == _without_empty(comparable(params))

    check()


@pytest.mark.slow
@pytest.mark.parametrize(("service", "name"), OPERATIONS, ids=[f"{service}-{name}" for service, name in OPERATIONS])
def test_results_survive_our_serializer_and_botocore_s_parser(service: str, name: str) -> None:
    operation = service_model(service).operation_model(name)
    if operation.output_shape is None or not operation.output_shape.members or (service, name) == ("s3", "GetBucketLocation"):
        pytest.skip("answers nothing that the parser itself reads")
    protocol = operation.service_model.resolved_protocol
    codec = Codecs(models.load(service)).get(name, protocol)
    parser = parsers.create_parser(protocol)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(structures(operation.output_shape, 0))
    def check(result: dict[str, Any]) -> None:
        response = codec.serialize(comparable(result), "an-id")
        headers = HTTPHeaders()
        for header, value in response.headers:
            headers[header] = value
        assert isinstance(response.body, bytes)
        body: Any = io.BytesIO(response.body) if operation.has_streaming_output else response.body
        received = {"status_code": response.status, "headers": headers, "body": body, "context": {}}
        got = parser.parse(received, operation.output_shape)
        got.pop("ResponseMetadata", None)
        payload = operation.output_shape.serialization.get("payload")
        if payload and operation.has_streaming_output:
            got[payload] = got[payload].read()
        if payload and isinstance(got.get(payload), (str, bytes)):
            if isinstance(got[payload], str) and operation.output_shape.members[payload].type_name == "blob":
                got[payload] = got[payload].encode()
            if not got[payload] and payload not in result:
                del got[payload]
        for member, shape in operation.output_shape.members.items():
            if shape.serialization.get("location") == "statusCode":
                got.pop(member, None)
        assert _without_empty(comparable(got)) == _without_empty(comparable(result))

    check()


def _without_empty(value: Any) -> Any:
    """botocore adds empty lists and maps for flattened members that are absent; a form cannot say that a structure is there but empty."""
    if isinstance(value, dict):
        return {key: kept for key, item in value.items() if (kept := _without_empty(item)) not in ([], {}, None)}
    if isinstance(value, list):
        return [kept for item in value if (kept := _without_empty(item)) not in ([], {}, None)]
    return value
