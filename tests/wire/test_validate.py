"""Parameters that break their shape are told so in AWS's sentences."""

from typing import Any

import pytest

from groundcloud.base.errors import AwsError
from groundcloud.wire import model as models
from groundcloud.wire import validate
from groundcloud.wire.codec import Codecs

FUNCTION_NAME = models.load("lambda").shapes["NamespacedFunctionName"]["pattern"]


def refusal(service: str, operation: str, params: dict[str, Any]) -> AwsError:
    codec = Codecs(models.load(service)).get(operation, models.load(service).metadata["protocol"])
    with pytest.raises(AwsError) as caught:
        codec.check(params)
    return caught.value


@pytest.mark.parametrize(
    ("service", "operation", "params", "message"),
    [
        ("dynamodb", "GetItem", {"TableName": "tab"},
         "1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null"),
        ("dynamodb", "GetItem", {},
         "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; "
         "Value null at 'key' failed to satisfy constraint: Member must not be null"),
        ("lambda", "GetFunction", {"FunctionName": "a function"},
         "1 validation error detected: Value 'a function' at 'functionName' failed to satisfy constraint: "
         f"Member must satisfy regular expression pattern: {FUNCTION_NAME}"),
        ("lambda", "CreateFunction", {"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}, "MemorySize": 64, "Timeout": 0},
         "2 validation errors detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1; "
         "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"),
        ("lambda", "CreateFunction", {"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}, "PackageType": "Tar"},
         "1 validation error detected: Value 'Tar' at 'packageType' failed to satisfy constraint: Member must satisfy enum value set: [Zip, Image]"),
        ("logs", "PutLogEvents", {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": ""}, {"timestamp": -1, "message": "m"}]},
         "2 validation errors detected: Value '' at 'logEvents.1.member.message' failed to satisfy constraint: "
         "Member must have length greater than or equal to 1; "
         "Value '-1' at 'logEvents.2.member.timestamp' failed to satisfy constraint: Member must have value greater than or equal to 0"),
        ("iam", "CreateUser", {"UserName": "x" * 65},
         f"1 validation error detected: Value '{'x' * 65}' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64"),
        ("kms", "TagResource", {"KeyId": "k", "Tags": [{"TagKey": "", "TagValue": "v"}]},
         "1 validation error detected: Value '' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length greater than or equal to 1"),
        ("kms", "Encrypt", {"KeyId": "k", "Plaintext": b""},
         "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=0 cap=0]' at 'plaintext' failed to satisfy constraint: "
         "Member must have length greater than or equal to 1"),
    ],
)  # fmt: skip
def test_the_sentence_of_a_violation(service: str, operation: str, params: dict[str, Any], message: str) -> None:
    error = refusal(service, operation, params)
    assert error.message == message
    assert error.code == ("ValidationError" if service == "iam" else "ValidationException")


def test_long_values_are_shown_in_part() -> None:
    assert len(refusal("iam", "CreateUser", {"UserName": "x" * 100_000}).message) < 1300


def test_good_parameters_pass() -> None:
    codec = Codecs(models.load("lambda")).get("CreateFunction", "rest-json")
    codec.check(
        {"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {"ZipFile": b"PK"}, "MemorySize": 128, "Handler": "a.b"}
    )


@pytest.mark.parametrize(
    ("service", "operation_name", "params", "sentence"),
    [
        (
            "lambda",
            "UpdateFunctionConfiguration",
            {"FunctionName": "f", "Environment": {"Variables": {"a-b": "1"}}},
            "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: "
            "[Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]",
        ),
        (
            "lambda",
            "UpdateFunctionCode",
            {"FunctionName": "f", "Architectures": ["z80"]},
            "Value '[z80]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: "
            "[Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
        ),
        (
            "lambda",
            "UpdateAlias",
            {"FunctionName": "f", "Name": "a", "RoutingConfig": {"AdditionalVersionWeights": {"1": 1.5}}},
            "Value '{1=1.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: "
            "[Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]",
        ),
        (
            "logs",
            "StartQuery",
            {"startTime": 1, "endTime": 2, "queryString": "fields @message", "logGroupNames": ["a", "b c"]},
            "Value '[a, b c]' at 'logGroupNames' failed to satisfy constraint: Member must satisfy constraint: "
            "[Member must have length less than or equal to 512, Member must have length greater than or equal to 1, "
            "Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+]",
        ),
    ],
)
def test_members_of_a_list_and_of_a_map_share_a_sentence(service: str, operation_name: str, params: Any, sentence: str) -> None:
    model = models.load(service)
    with pytest.raises(AwsError) as refused:
        Codecs(model).get(operation_name, "json").check(params)
    assert refused.value.message == f"1 validation error detected: {sentence}"


def test_a_room_may_word_violations_itself() -> None:
    def mine(model: Any, operation: Any, found: list[validate.Violation]) -> AwsError:
        return AwsError("MissingParameter", f"The request must contain the parameter {found[0].path}.")

    codec = Codecs(models.load("sqs")).get("SendMessage", "json")
    with pytest.raises(AwsError, match="must contain the parameter queueUrl"):
        codec.check({"MessageBody": "m"}, mine)


def test_the_types_and_the_sentences_agree() -> None:
    """What msgspec lets through, the walk in Python finds nothing wrong with, and the other way round."""
    model = models.load("lambda")
    for operation_name, params, good in [
        ("Invoke", {"FunctionName": "f", "InvocationType": "Event"}, True),
        ("Invoke", {"FunctionName": "f f", "InvocationType": "Event"}, False),
        ("Invoke", {"FunctionName": "f", "InvocationType": "Soon"}, False),
        ("CreateEventSourceMapping", {"FunctionName": "f", "BatchSize": 10_001}, False),
        ("CreateEventSourceMapping", {"FunctionName": "f", "BatchSize": 10_000}, True),
        ("AddPermission", {"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}, True),
        ("AddPermission", {"FunctionName": "f", "StatementId": "s s", "Action": "lambda:InvokeFunction", "Principal": "*"}, False),
    ]:  # fmt: skip
        shape = model.operation(operation_name).input_shape
        assert shape is not None
        assert (validate.violations(model, shape, params) == []) is good, params
        codec = Codecs(model).get(operation_name, "rest-json")
        if good:
            codec.check(params)
        else:
            with pytest.raises(AwsError):
                codec.check(params)
