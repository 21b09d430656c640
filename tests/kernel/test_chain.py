"""The chain through a real socket: who may call, what is refused and in whose words, what faults do."""

import gzip
import json
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from groundcloud.auth import signing


def post(ground, headers, body=b"{}", path="/", method="POST"):
    """(status, headers, text) of a raw request."""
    request = urllib.request.Request(ground.endpoint + path, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def signed(ground, headers, body=b"{}", *, key="test", secret="test", at=None, service="sqs"):
    host = ground.endpoint.removeprefix("http://")
    return signing.sign(
        signing.Credentials(key, secret), "us-east-1", service, "POST", "/", "", {"host": host, **headers}, body, at or time.time()
    )


JSON = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.ListQueues"}


def test_an_unsigned_call_is_refused(ground):
    status, _, text = post(ground, JSON)
    assert status == 400 and json.loads(text)["__type"].endswith("MissingAuthenticationTokenException")


def test_a_wrong_secret_is_refused(ground):
    status, _, text = post(ground, signed(ground, JSON, secret="wrong"))
    assert status == 400 and json.loads(text)["__type"].endswith("InvalidSignatureException")


def test_a_changed_body_is_refused(ground):
    status, _, _ = post(ground, signed(ground, JSON), b'{"QueueNamePrefix": "x"}')
    assert status == 400


def test_an_old_signature_is_refused(ground):
    status, _, text = post(ground, signed(ground, JSON, at=time.time() - 3600))
    assert status == 400 and "Signature expired" in text


def test_an_unknown_key_is_refused(ground):
    status, _, text = post(ground, signed(ground, JSON, key="AKIAIOSFODNN7EXAMPLE"))
    assert status == 400 and json.loads(text)["__type"].endswith("UnrecognizedClientException")


def test_what_is_not_implemented_is_refused_by_name(ground, client):
    status, _, text = post(ground, signed(ground, {**JSON, "x-amz-target": "AmazonSQS.FlyToTheMoon"}))
    assert status == 400 and "FlyToTheMoon" in text
    with pytest.raises(ClientError, match="Groundcloud does not implement the service 'glue' yet"):
        client("glue").get_databases()


def test_where_no_operation_is_the_answer_is_in_the_protocol_of_the_service(ground):
    status, headers, text = post(ground, signed(ground, {}, service="lambda"), path="/2015-03-31/functions//invocations")
    headers = {name.lower(): value for name, value in headers.items()}
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    assert json.loads(text)["message"] == "lambda has no operation at POST /2015-03-31/functions//invocations."


def test_every_answer_has_its_request_id(ground):
    _, headers, _ = post(ground, signed(ground, JSON))
    assert len(headers["x-amzn-requestid"]) == 36


def test_a_compressed_body_is_read(ground):
    body = gzip.compress(b'{"QueueNamePrefix": "none"}')
    headers = {**JSON, "content-encoding": "gzip"}
    assert post(ground, signed(ground, headers, body), body)[0] == 200
    status, _, text = post(ground, signed(ground, headers, b"not gzip"), b"not gzip")
    assert status == 400 and "SerializationException" in text


def test_a_compressed_bomb_is_refused_within_bounds(ground):
    body = gzip.compress(b" " * (200 << 20))
    status, _, _ = post(ground, signed(ground, {**JSON, "content-encoding": "gzip"}, body), body)
    assert status == 413


def test_a_fault_plan_strikes_what_it_names(ground, client):
    sqs = client("sqs")
    ground.admin(
        "PUT",
        "/_ground/faults",
        [{"service": "sqs", "operation": "List*", "code": "ServiceUnavailable", "status": 503, "message": "planned"}],
    )
    try:
        with pytest.raises(ClientError, match="planned"):
            sqs.list_queues()
        sqs.create_queue(QueueName="q")
    finally:
        ground.admin("PUT", "/_ground/faults", [])
    sqs.list_queues()


def test_calls_are_recorded_once(ground, client):
    client("sqs").create_queue(QueueName="recorded")
    record = next(record for record in reversed(ground.admin("GET", "/_ground/calls?limit=50")) if record["operation"] == "CreateQueue")
    assert (record["service"], record["status"]) == ("sqs", 200) and record["resource"].endswith(":recorded") and record["duration_us"] > 0


def test_a_presigned_url_ages_with_virtual_time_from_the_moment_it_was_signed(ground, client, clock):
    s3 = client("s3")
    s3.create_bucket(Bucket="presigned-and-time")
    s3.put_object(Bucket="presigned-and-time", Key="k", Body=b"x")
    clock.advance("2d")
    key, host = s3._request_signer._credentials.access_key, ground.endpoint.removeprefix("http://")

    def status(signed_s):
        query = signing.presign(
            signing.Credentials(key, "test"), "us-east-1", "s3", "GET", "/presigned-and-time/k", "", {"host": host}, signed_s, 3600
        )
        return post(ground, {}, None, f"/presigned-and-time/k?{query}", "GET")[0]

    signed_s = time.time()
    assert status(signed_s) == 200
    assert status(signed_s - 2) == 403, "signed before the clock moved"
    assert status(signed_s - 7200) == 403
