"""Whatever a client sends is read or refused: an AwsError, never another exception."""

import asyncio
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.wire import model as models
from groundcloud.wire.codec import Codecs
from groundcloud.wire.message import HttpRequest
from groundcloud.wire.route import identify

SEEDS: dict[tuple[str, str, str], bytes] = {
    ("sqs", "SendMessageBatch", "json"): b'{"QueueUrl": "u", "Entries": [{"Id": "a", "MessageAttributes": {"k": {"BinaryValue": "AA==", "DataType": "B"}}}]}',
    ("dynamodb", "PutItem", "json"): b'{"TableName": "t", "Item": {"a": {"M": {"b": {"L": [{"N": "1"}, {"NULL": true}, {"BS": ["AA=="]}]}}}}}',
    ("cloudwatch", "PutMetricData", "json"): b'{"Namespace": "n", "MetricData": [{"Timestamp": 1.5, "Value": 1, "Values": [1, "NaN"]}]}',
    ("lambda", "CreateFunction", "rest-json"): b'{"FunctionName": "f", "Code": {"ZipFile": "AA=="}, "Environment": {"Variables": {"a": "b"}}, "Timeout": 3}',
    ("scheduler", "CreateSchedule", "rest-json"): b'{"Name": "n", "StartDate": 1700000000, "Target": {"Arn": "a", "RoleArn": "r", "RetryPolicy": {}}}',
    ("s3", "PutBucketLifecycleConfiguration", "rest-xml"): b'<LifecycleConfiguration xmlns="x"><Rule><ID>a</ID><Expiration><Date>2020-01-01T00:00:00Z</Date></Expiration><Filter><And><Tag><Key>k</Key></Tag></And></Filter></Rule></LifecycleConfiguration>',
    ("route53", "ChangeResourceRecordSets", "rest-xml"): b"<C><ChangeBatch><Changes><Change><ResourceRecordSet><TTL>3</TTL></ResourceRecordSet></Change></Changes></ChangeBatch></C>",
    ("iam", "SimulatePrincipalPolicy", "query"): b"Action=X&ActionNames.member.1=a&ContextEntries.member.1.ContextKeyValues.member.1=b&MaxItems=3",
    ("cloudformation", "CreateStack", "query"): b"Action=X&Parameters.member.1.ParameterKey=a&Parameters.member.1.UsePreviousValue=true&TimeoutInMinutes=1",
    ("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor"): cbor2.dumps({"Namespace": "n", "MetricData": [{"Timestamp": cbor2.CBORTag(1, 1.5), "Value": 1.0}]}),
}  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """The seed with a few bytes changed, taken out, doubled or put in."""
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 8))
        new = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"null", b"{", b"[", b'"', b"\\u", b"-", b"1e9", b"<", b"&", b"=", b".1", b"\xff", b"true"])
        )
        data[at : at + length] = new * draw(st.integers(1, 2))
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize(("service", "operation", "protocol"), list(SEEDS), ids="-".join)
def test_a_spoilt_body_is_read_or_refused(service: str, operation: str, protocol: str) -> None:
    codec = Codecs(models.load(service)).get(operation, protocol)
    seed = SEEDS[service, operation, protocol]
    assert asyncio.run(codec.parse(HttpRequest("POST", "/", "", {}, seed), {}))

    @settings(max_examples=400, deadline=None)
    @given(mutated(seed) | st.binary(max_size=40))
    def check(body: bytes) -> None:
        try:
            params = asyncio.run(codec.parse(HttpRequest("POST", "/", "", {}, body), {}))
            assert isinstance(params, dict)
            codec.check(params)
        except AwsError as error:
            assert codec.error(error, "an-id").status >= 400

    check()


HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-type", "x-amz-target", "smithy-protocol", "host", "content-encoding", "x-amz-copy-source", "x-amz-account-id", "if-modified-since",
         "content-length", "range", "x-amz-meta-a", "x-amz-object-lock-retain-until-date", "x-amz-mp-object-size", "x-amz-bypass-governance-retention"]
    ),
    st.text(max_size=12) | st.sampled_from(["application/x-www-form-urlencoded", "rpc-v2-cbor", "gzip", "AmazonSQS.SendMessage", "1", "-1", "true"]),
    max_size=4,
)  # fmt: skip
PATHS = st.text(st.sampled_from("/ab%2e.~\\é\x00?{}+:"), max_size=15).map(lambda text: "/" + text.replace("?", "")) | st.sampled_from(
    ["/b/k", "/2015-03-31/functions/f/invocations", "/service/x/operation/y", "/v20180820/jobs", "/%", "/%zz", "/%ff", "//", "/b//"]
)
QUERIES = st.text(st.sampled_from("acl=&uploadId;%2partNumber1+list-type"), max_size=20) | st.sampled_from(
    ["Action=X&Version=2012-11-05", "partNumber=x&uploadId=1", "max-keys=x"]
)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "BREW", ""]),
    PATHS,
    QUERIES,
    HEADERS,
    st.binary(max_size=20),
    st.sampled_from([None, "s3", "sqs", "lambda", "iam", "x"]),
)
def test_a_strange_request_is_routed_or_refused(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, signing_name: Any
) -> None:
    async def run() -> None:
        http = HttpRequest(method, path, query, headers, body)
        route = await identify(http, signing_name)
        if route.operation in models.load(route.service).operation_names:  # others are the chain's to refuse
            codec = Codecs(models.load(route.service)).get(route.operation, route.protocol)
            codec.check(await codec.parse(http, route.labels))

    try:
        asyncio.run(run())
    except AwsError:
        pass
