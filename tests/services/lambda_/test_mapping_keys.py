"""Filter criteria of event source mappings that are under a key of KMS: who sees them. Limits of a record's age."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.test_event_source_mappings import Line

CRITERIA = {"Filters": [{"Pattern": '{"body": ["good"]}'}]}


@pytest.fixture
def line(client: Callable[..., Any], clock: Any) -> Any:
    made = Line(client, clock)
    yield made
    made.lambda_.delete_event_source_mapping(UUID=made.mapping_id)


def test_criteria_under_a_key_are_shown_to_those_who_may_decrypt(line: Line, client: Callable[..., Any], account: str) -> None:
    key_arn = client("kms").create_key()["KeyMetadata"]["Arn"]
    line.connect(FilterCriteria=CRITERIA, KMSKeyArn=key_arn)
    assert line.mapping["KMSKeyArn"] == key_arn
    place = {"UUID": line.mapping_id}
    assert line.lambda_.get_event_source_mapping(**place)["FilterCriteria"] == CRITERIA
    (listed,) = line.lambda_.list_event_source_mappings()["EventSourceMappings"]
    assert (listed["KMSKeyArn"], "FilterCriteria" in listed) == (key_arn, False)
    iam = client("iam")
    iam.create_user(UserName="reader")
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:GetEventSourceMapping", "Resource": "*"}]}
    iam.put_user_policy(UserName="reader", PolicyName="own", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = client("lambda", account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    shown = reader.get_event_source_mapping(**place)
    assert "FilterCriteria" not in shown
    assert shown["FilterCriteriaError"]["ErrorCode"] == "AccessDeniedException"
    for body in ("bad", "good"):
        line.send(body)
    assert line.bodies() == ["good"]


@pytest.mark.parametrize("age_s", [0, 59])
def test_a_record_s_age_has_a_least(lambda_: Any, function: Callable[..., str], account: str, age_s: int) -> None:
    stream_arn = f"arn:aws:kinesis:us-east-1:{account}:stream/s"
    name = function("def handler(event, context): pass")
    with pytest.raises(ClientError, match="MaximumRecordAgeInSeconds must be -1, or between 60 and 604800"):
        lambda_.create_event_source_mapping(
            FunctionName=name, EventSourceArn=stream_arn, StartingPosition="LATEST", MaximumRecordAgeInSeconds=age_s
        )
