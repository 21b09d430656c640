"""CloudWatch Logs' errors, in its words. Source: API reference of each operation and the service's answers."""

from __future__ import annotations

from groundcloud.base.errors import AwsError
from groundcloud.wire import validate
from groundcloud.wire.model import Model, Operation
from groundcloud.wire.validate import Violation


def explain(model: Model, operation: Operation, found: list[Violation]) -> AwsError:
    return AwsError("InvalidParameterException", validate.message(found))


def invalid_parameter(sentence: str) -> AwsError:
    return AwsError("InvalidParameterException", sentence)


def group_does_not_exist() -> AwsError:
    return AwsError("ResourceNotFoundException", "The specified log group does not exist.")


def stream_does_not_exist() -> AwsError:
    return AwsError("ResourceNotFoundException", "The specified log stream does not exist.")


def group_exists() -> AwsError:
    return AwsError("ResourceAlreadyExistsException", "The specified log group already exists")


def stream_exists() -> AwsError:
    return AwsError("ResourceAlreadyExistsException", "The specified log stream already exists")


def resource_does_not_exist() -> AwsError:
    return AwsError("ResourceNotFoundException", "The specified resource does not exist.")


def group_is_protected() -> AwsError:
    return AwsError("ValidationException", "The specified log group has deletion protection enabled and cannot be deleted.")


def invalid_token() -> AwsError:
    return invalid_parameter("The specified nextToken is invalid.")


def no_group_named() -> AwsError:
    return invalid_parameter("Either logGroupName or logGroupIdentifier must be specified.")


def two_groups_named() -> AwsError:
    return invalid_parameter("LogGroup name and LogGroup identifier are mutually exclusive parameters.")


def prefix_and_pattern() -> AwsError:
    return invalid_parameter("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")


def prefix_and_last_event_time() -> AwsError:
    return invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.")


def names_and_prefix() -> AwsError:
    return invalid_parameter("logStreamNamePrefix and logStreamNames are mutually exclusive parameters.")


def event_too_large(size_bytes: int, limit: int) -> AwsError:
    return invalid_parameter(f"Log event too large: {size_bytes} bytes exceeds limit of {limit}")


def upload_too_large(size_bytes: int, limit: int) -> AwsError:
    return invalid_parameter(f"Upload too large: {size_bytes} bytes exceeds limit of {limit}")


def not_chronological() -> AwsError:
    return invalid_parameter("Log events in a single PutLogEvents request must be in chronological order.")


def spans_too_long() -> AwsError:
    return invalid_parameter("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")


def invalid_retention(days: int, allowed: tuple[int, ...]) -> AwsError:
    values = ", ".join(str(value) for value in allowed)
    return invalid_parameter(
        f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [{values}]"
    )


def too_many_tags() -> AwsError:
    return AwsError("TooManyTagsException", "The maximum number of tags per resource has been exceeded.")


def limit_exceeded() -> AwsError:
    return AwsError("LimitExceededException", "Resource limit exceeded.")


def metric_filter_does_not_exist() -> AwsError:
    return AwsError("ResourceNotFoundException", "The specified metric filter does not exist.")


def cannot_deliver_to_stream() -> AwsError:
    return invalid_parameter(
        "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE state. "
    )


def subscription_filter_does_not_exist() -> AwsError:
    return AwsError("ResourceNotFoundException", "The specified subscription filter does not exist.")


def policy_does_not_exist(policy_name: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Policy with name [{policy_name}] does not exist")


def invalid_metric_value(value: str) -> AwsError:
    return invalid_parameter(f"Invalid metric transformation: metric value '{value}' must be a number or a field of the filter pattern")


def dimensions_and_default_value() -> AwsError:
    return invalid_parameter("Invalid metric transformation: dimensions and default value are mutually exclusive properties.")


def no_dimensions_for_pattern() -> AwsError:
    return invalid_parameter("The specified filter pattern does not support dimensions")


def too_many_dimensions() -> AwsError:
    return invalid_parameter("Invalid metric transformation: the number of dimensions cannot exceed 3")


def invalid_destination(destination_arn: str) -> AwsError:
    return invalid_parameter(
        f"1 validation error detected: Value '{destination_arn}' at 'destinationArn' failed to satisfy constraint: Member must be an ARN"
    )


def cannot_execute_function() -> AwsError:
    return invalid_parameter(
        "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function."
    )
