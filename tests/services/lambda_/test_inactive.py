"""Functions in a VPC, and images, that nobody invokes for two weeks: Inactive, woken by the invocation that is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import make_function, make_role
from tests.services.lambda_.test_container_images import digest, engine, image_function

from groundcloud.services.lambda_.reclaiming import holds_something
from groundcloud.services.lambda_.state import Code, ImageUse, Version

__all__ = ["digest", "engine", "image_function"]

SOURCE = "def handler(event, context): return 1"
VPC = {"VpcConfig": {"SubnetIds": ["subnet-1234abcd"], "SecurityGroupIds": ["sg-1234abcd"]}}


def state_of(lambda_: Any, name: str, **qualifier: str) -> tuple[str, str | None]:
    shown = lambda_.get_function_configuration(FunctionName=name, **qualifier)
    return shown["State"], shown.get("StateReasonCode")


def refusal(lambda_: Any, name: str) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        lambda_.invoke(FunctionName=name)
    answer = refused.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_a_function_in_a_vpc_becomes_inactive_after_two_weeks_and_wakes_when_it_is_called(
    lambda_: Any, function: Callable[..., str], answer: Any, clock: Any
) -> None:
    name, plain = function(SOURCE, Publish=True, **VPC), function(SOURCE)
    clock.advance("10d")
    assert answer(name) == 1
    clock.advance("10d")
    assert (state_of(lambda_, name), state_of(lambda_, name, Qualifier="1")) == (("Active", None), ("Inactive", "Idle"))
    clock.advance("5d")
    assert state_of(lambda_, name) == ("Inactive", "Idle")
    assert refusal(lambda_, name) == (
        502,
        "ResourceNotReadyException",
        "The function is inactive and its VPC connection is no longer available. Wait for the VPC connection to reestablish and try again.",
    )
    clock.settle()
    assert (state_of(lambda_, name), answer(name)) == (("Active", None), 1)
    assert (state_of(lambda_, plain), answer(plain)) == (("Active", None), 1)
    clock.advance("15d")
    assert state_of(lambda_, name) == ("Inactive", "Idle")


@pytest.mark.slow
def test_an_image_becomes_inactive_too(lambda_: Any, image_function: Callable[..., Any], answer: Any, clock: Any) -> None:
    image_function(FunctionName="idle")
    clock.advance("15d")
    assert state_of(lambda_, "idle") == ("Inactive", "Idle")
    assert refusal(lambda_, "idle") == (
        409,
        "CodeArtifactUserPendingException",
        "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE.",
    )
    clock.settle()
    assert answer("idle", {})["argument"] == "of-the-image"


def test_an_event_wakes_the_function_and_waits_for_it(lambda_: Any, client: Callable[..., Any], clock: Any) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="done")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    role = make_role(client("iam"), "sender", {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn})
    name = make_function(lambda_, role, SOURCE, **VPC)
    lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}})
    clock.advance("15d")
    assert state_of(lambda_, name) == ("Inactive", "Idle")
    assert lambda_.invoke(FunctionName=name, InvocationType="Event")["StatusCode"] == 202
    clock.advance("5s")
    assert state_of(lambda_, name) == ("Active", None)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["requestContext"]["approximateInvokeCount"] == 1


def test_a_change_makes_an_inactive_function_active(lambda_: Any, function: Callable[..., str], answer: Any, clock: Any) -> None:
    name = function(SOURCE, **VPC)
    clock.advance("15d")
    lambda_.update_function_configuration(FunctionName=name, Description="new")
    assert state_of(lambda_, name) == ("Active", None)
    clock.advance("15d")
    assert lambda_.publish_version(FunctionName=name)["State"] == "Active"
    assert state_of(lambda_, name) == ("Inactive", "Idle")
    assert answer(name, Qualifier="1") == 1


def test_a_function_with_provisioned_concurrency_stays_active(lambda_: Any, function: Callable[..., str], clock: Any) -> None:
    name = function(SOURCE, Publish=True, **VPC)
    lambda_.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)
    clock.advance("30d")
    assert state_of(lambda_, name, Qualifier="1") == ("Active", None)


@pytest.mark.slow
def test_the_last_use_is_known_after_a_restart(process: Any) -> None:
    lambda_, role = process.client("lambda"), make_role(process.client("iam"), "worker")
    used, unused = (make_function(lambda_, role, SOURCE, **VPC) for _ in range(2))
    process.advance("10d")
    lambda_.invoke(FunctionName=used)
    process.restart()
    lambda_ = process.client("lambda")
    process.advance("8d")
    assert (state_of(lambda_, used), state_of(lambda_, unused)) == (("Active", None), ("Inactive", "Idle"))
    process.advance("8d")
    assert state_of(lambda_, used) == ("Inactive", "Idle")


@pytest.mark.parametrize(
    ("kept", "image", "holds"),
    [
        ({}, False, False),
        ({}, True, True),
        (VPC, False, True),
        ({"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}}, False, False),
        ({**VPC, "CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {}}}, False, False),
    ],
)
def test_what_aws_could_take_back_is_a_network_or_an_image(kept: dict[str, Any], image: bool, holds: bool) -> None:
    use = ImageUse(image_uri="a", resolved_uri="a", image_id="a") if image else None
    code = Code(digest="", sha256="", size_bytes=0, unpacked_bytes=0, image=use)
    version = Version(
        function_name="f",
        number=0,
        role="",
        runtime="",
        handler="",
        code=code,
        generation="",
        revision_id="",
        last_modified_ms=0,
        kept=kept,
    )
    assert holds_something(version) is holds


def test_a_message_wakes_the_function_that_reads_its_queue(lambda_: Any, client: Callable[..., Any], clock: Any) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="work")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    role = make_role(client("iam"), "reader", {"Effect": "Allow", "Action": "sqs:*", "Resource": arn})
    name = make_function(lambda_, role, SOURCE, **VPC)
    mapping_id = lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)["UUID"]
    clock.advance("15d")
    assert state_of(lambda_, name) == ("Inactive", "Idle")
    sqs.send_message(QueueUrl=url, MessageBody="m")
    clock.advance("5s")
    assert state_of(lambda_, name) == ("Active", None)
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
    assert [left[count] for count in counts] == ["0", "0"]
    lambda_.delete_event_source_mapping(UUID=mapping_id)
