"""Amazon SNS's errors, in its words. Source: API reference of each operation and the service's answers."""

from __future__ import annotations

from groundcloud.base.errors import AwsError
from groundcloud.wire import validate
from groundcloud.wire.model import Model, Operation
from groundcloud.wire.validate import Violation


def explain(model: Model, operation: Operation, found: list[Violation]) -> AwsError:
    """SNS speaks of what is missing as its front end does, and of the rest as of a validation."""
    return AwsError("ValidationError" if found[0].kind == "missing" else "ValidationException", validate.message(found))


def invalid_parameter(what: str) -> AwsError:
    """`what` is the parameter's name, with ` Reason: ` and the reason where AWS gives one."""
    return AwsError("InvalidParameterException", f"Invalid parameter: {what}")


def invalid_arn(parameter: str, value: str) -> AwsError:
    elements = len(value.split(":"))
    if elements < 6:
        return invalid_parameter(f"{parameter} Reason: An ARN must have at least 6 elements, not {elements}")
    return invalid_parameter(parameter)


def invalid_value(sentence: str) -> AwsError:
    return AwsError("InvalidParameterValueException", sentence)


def topic_does_not_exist() -> AwsError:
    return AwsError("NotFoundException", "Topic does not exist")


def subscription_does_not_exist() -> AwsError:
    return AwsError("NotFoundException", "Subscription does not exist")


def platform_application_does_not_exist() -> AwsError:
    return AwsError("NotFoundException", "PlatformApplication does not exist")


def endpoint_does_not_exist() -> AwsError:
    return AwsError("NotFoundException", "Endpoint does not exist")


def resource_does_not_exist() -> AwsError:
    return AwsError("ResourceNotFoundException", "Resource does not exist")


def endpoint_disabled() -> AwsError:
    return AwsError("EndpointDisabledException", "Endpoint is disabled")


def platform_application_disabled() -> AwsError:
    return AwsError("PlatformApplicationDisabledException", "Platform application is disabled")


def too_many_filter_policies() -> AwsError:
    return AwsError("FilterPolicyLimitExceededException", "Filter policy limit exceeded for this topic or account.")


def too_many_subscriptions() -> AwsError:
    return AwsError("SubscriptionLimitExceededException", "Subscription limit exceeded for this topic.")


def too_many_tags() -> AwsError:
    return AwsError("TagLimitExceededException", "Could not complete request: tag quota of per resource exceeded")


def empty_batch() -> AwsError:
    return AwsError("EmptyBatchRequestException", "The batch request doesn't contain any entries.")


def too_many_entries() -> AwsError:
    return AwsError("TooManyEntriesInBatchRequestException", "The batch request contains more entries than permissible.")


def ids_not_distinct() -> AwsError:
    return AwsError("BatchEntryIdsNotDistinctException", "Two or more batch entries in the request have the same Id.")


def invalid_entry_id() -> AwsError:
    return AwsError("InvalidBatchEntryIdException", "The Id of a batch entry in a batch request doesn't abide by the specification.")


def batch_too_long() -> AwsError:
    return AwsError("BatchRequestTooLongException", "The length of all the batch messages put together is more than the limit.")


def not_authorized(sentence: str) -> AwsError:
    return AwsError("AuthorizationErrorException", sentence)


def phone_number_not_found() -> AwsError:
    return AwsError("ResourceNotFoundException", "The destination phone number is not in the sandbox of this account.")


def verification_failed(status: str) -> AwsError:
    return AwsError("VerificationException", "The one-time password is wrong.", status=400, fields={"Status": status})


def user_error(sentence: str) -> AwsError:
    return AwsError("UserErrorException", sentence)
