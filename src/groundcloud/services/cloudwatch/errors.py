"""CloudWatch's errors, in its words. Source: API reference of each operation and the service's answers."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.wire import validate
from groundcloud.wire.model import Model, Operation
from groundcloud.wire.validate import Violation


def explain(model: Model, operation: Operation, found: list[Violation]) -> AwsError:
    """CloudWatch names the first parameter that is missing, in its query spelling."""
    first = found[0]
    if first.kind == "missing":
        path = ".".join(part[:1].upper() + part[1:] if part != "member" else part for part in first.path.split("."))
        return missing_parameter(path)
    return AwsError("ValidationException", validate.message(found))


def missing_parameter(name: str) -> AwsError:
    return AwsError("MissingRequiredParameterException", f"The parameter {name} is required.")


def invalid_value(sentence: str) -> AwsError:
    return AwsError("InvalidParameterValueException", sentence)


def invalid_combination(sentence: str) -> AwsError:
    return AwsError("InvalidParameterCombinationException", sentence)


def validation(sentence: str) -> AwsError:
    return AwsError("ValidationException", sentence)


def invalid_token() -> AwsError:
    return AwsError("InvalidNextToken", "The specified nextToken is invalid.")


def alarm_not_found(alarm_name: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Alarm {alarm_name} does not exist")


def resource_not_found(resource_arn: str) -> AwsError:
    return AwsError(
        "ResourceNotFoundException",
        f"The resource {resource_arn} does not exist",
        fields={"ResourceType": "alarm", "ResourceId": resource_arn},
    )


def invalid_format(sentence: str) -> AwsError:
    return AwsError("InvalidFormatFault", sentence)


def dashboard_not_found(name: str) -> AwsError:
    return AwsError("DashboardNotFoundError", f"Dashboard {name} does not exist")


def invalid_dashboard(messages: list[dict[str, Any]]) -> AwsError:
    return AwsError(
        "DashboardInvalidInputError",
        "The field DashboardBody must be a valid JSON object",
        fields={"dashboardValidationMessages": messages},
    )


def limit_exceeded(sentence: str) -> AwsError:
    return AwsError("LimitExceededFault", sentence)
