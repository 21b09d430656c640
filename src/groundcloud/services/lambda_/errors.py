"""Lambda's errors, one function each: code, status (from the model) and AWS's sentence."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError

_USER: dict[str, Any] = {"Type": "User"}


def function_not_found(function_arn: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Function not found: {function_arn}", fields=_USER)


def alias_not_found(alias_arn: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Cannot find alias arn: {alias_arn}", fields=_USER)


def resource_not_found(message: str = "The resource you requested does not exist.") -> AwsError:
    return AwsError("ResourceNotFoundException", message, fields=_USER)


def other_region(function_region: str, region: str) -> AwsError:
    return AwsError(
        "ResourceNotFoundException", f"Functions from '{function_region}' are not reachable in this region ('{region}')", fields=_USER
    )


def function_exists(function_name: str) -> AwsError:
    return AwsError("ResourceConflictException", f"Function already exist: {function_name}", fields=_USER)


def snap_start_not_ready() -> AwsError:
    message = "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE."
    return AwsError("SnapStartNotReadyException", message, fields=_USER)


def image_not_ready() -> AwsError:
    """AWS's words for functions that are container images, as their users report them."""
    message = "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE."
    return AwsError("CodeArtifactUserPendingException", message, fields=_USER)


def network_not_ready() -> AwsError:
    """The sentence is the model's."""
    message = (
        "The function is inactive and its VPC connection is no longer available. Wait for the VPC connection to reestablish and try again."
    )
    return AwsError("ResourceNotReadyException", message, fields={"Type": "Service"})


def not_in_state(state: str) -> AwsError:
    return conflict(f"The operation cannot be performed at this time. The function is currently in the following state: {state}")


def conflict(message: str) -> AwsError:
    return AwsError("ResourceConflictException", message, fields=_USER)


def invalid_parameter(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message, fields=_USER)


def validation(message: str) -> AwsError:
    return AwsError("ValidationException", message, status=400)


def unknown_runtime(runtime: str, known: list[str]) -> AwsError:
    return invalid_parameter(
        f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{', '.join(known)}] or be a valid ARN"
    )


def value_too_high(value: int, member: str, maximum: int) -> AwsError:
    return validation(
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have value less than or equal to {maximum}"
    )


def not_assumable() -> AwsError:
    return invalid_parameter("The role defined for the function cannot be assumed by Lambda.")


def role_gone() -> AwsError:
    """At an invocation."""
    return AwsError("AccessDeniedException", "The role defined for the function cannot be assumed by Lambda.", status=403, fields=_USER)


def revision_changed(operation: str = "GetFunction/GetAlias") -> AwsError:
    """`operation`: which shows the one that holds."""
    return AwsError(
        "PreconditionFailedException",
        f"The Revision Id provided does not match the latest Revision Id. Call the {operation} API to retrieve the latest Revision Id",
        fields=_USER,
    )


def bad_zip() -> AwsError:
    return invalid_parameter("Could not unzip uploaded file. Please check your file, then try to upload again.")


def empty_zip() -> AwsError:
    return invalid_parameter("Uploaded file must be a non-empty zip")


def unrequest_too_large(limit_bytes: int) -> AwsError:
    return invalid_parameter(f"Unzipped size must be smaller than {limit_bytes} bytes")


def request_too_large(limit_bytes: int, operation: str) -> AwsError:
    return AwsError(
        "RequestTooLargeException", f"Request must be smaller than {limit_bytes} bytes for the {operation} operation", fields=_USER
    )


def bad_payload(reason: str) -> AwsError:
    return AwsError(
        "InvalidRequestContentException",
        f"Could not parse request body into json: Could not parse payload into json: {reason}",
        fields=_USER,
    )


def bad_client_context() -> AwsError:
    return AwsError("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.", fields=_USER)


def throttled(reason: str) -> AwsError:
    """`reason`: ReservedFunctionConcurrentInvocationLimitExceeded, ConcurrentInvocationLimitExceeded, ..."""
    return AwsError("TooManyRequestsException", "Rate Exceeded.", fields={"Reason": reason, "Type": "User"})


def cannot_run(reason: str) -> AwsError:
    """The machine's fault, not the function's."""
    return AwsError("ServiceException", reason, fields={"Type": "Service"})


def restore_failed() -> AwsError:
    return AwsError(
        "SnapStartException",
        "The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch logs.",
        fields={"Type": "User"},
    )


def restore_timed_out() -> AwsError:
    return AwsError("SnapStartTimeoutException", "Lambda couldn't restore the snapshot within the timeout limit.", fields={"Type": "User"})


def unsigned() -> AwsError:
    """The sentence is the model's."""
    return AwsError(
        "CodeVerificationFailedException",
        "The code signature failed one or more of the validation checks for signature mismatch or expiry, and the code signing policy is set to "
        "ENFORCE. Lambda blocks the deployment.",
        fields=_USER,
    )


def policy_too_long(size_bytes: int, limit_bytes: int) -> AwsError:
    return AwsError(
        "PolicyLengthExceededException",
        f"The final policy size ({size_bytes}) is bigger than the limit ({limit_bytes}).",
        fields=_USER,
    )


def signing_config_not_found(config_arn: str, *, of_function: bool = False) -> AwsError:
    """`of_function`: in an operation on a function, which has an error of its own for it."""
    if not of_function:
        return resource_not_found(f"The Lambda code signing configuration {config_arn} can not be found.")
    return AwsError(
        "CodeSigningConfigNotFoundException",
        f"The code signing configuration cannot be found. Check that the provided configuration is not deleted: {config_arn}.",
        fields=_USER,
    )


def not_provisioned() -> AwsError:
    return AwsError(
        "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function", fields=_USER
    )


def recursive() -> AwsError:
    return AwsError(
        "RecursiveInvocationException",
        "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your "
        "function's invocation.",
        fields=_USER,
    )


def execution_not_found(execution_arn: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Durable execution not found: {execution_arn}", fields=_USER)


def execution_already_started(execution_name: str) -> AwsError:
    return AwsError(
        "DurableExecutionAlreadyStartedException",
        f"The durable execution {execution_name} has already been started with a different input.",
        fields=_USER,
    )


def unqualified_durable() -> AwsError:
    return invalid_parameter("You cannot invoke a durable function using an unqualified ARN.")


def invalid_checkpoint_token() -> AwsError:
    """The durable execution SDKs know this sentence's beginning: the invocation is given up, and made again by whoever holds the token."""
    return invalid_parameter("Invalid checkpoint token: it is not the latest one of the durable execution.")


def callback_closed() -> AwsError:
    return AwsError(
        "CallbackTimeoutException",
        "The callback ID token has either expired or the callback associated with the token has already been closed.",
        fields=_USER,
    )


def capacity_provider_not_found(provider_arn: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Capacity provider not found: {provider_arn}", fields=_USER)


def too_many_versions(limit: int) -> AwsError:
    return AwsError(
        "FunctionVersionsPerCapacityProviderLimitExceededException",
        f"The maximum number of function versions per capacity provider ({limit}) has been reached.",
        fields=_USER,
    )


def code_storage_exceeded() -> AwsError:
    return AwsError("CodeStorageExceededException", "Code storage limit exceeded.", fields=_USER)


def too_many_providers(limit: int) -> AwsError:
    return AwsError(
        "CapacityProviderLimitExceededException", f"The maximum number of capacity providers ({limit}) has been reached.", fields=_USER
    )


def no_published_version() -> AwsError:
    """The sentence is the model's."""
    return AwsError("NoPublishedVersionException", "The function has no published versions available.", fields=_USER)


def no_capacity_provider() -> AwsError:
    return AwsError(
        "AccessDeniedException",
        "The function provided by the arn does not contain a capacity provider configuration",
        status=403,
        fields=_USER,
    )
