"""CloudFormation's errors, with AWS's codes and sentences. Nearly all of them are `ValidationError`."""

from __future__ import annotations

from groundcloud.base.errors import AwsError


def validation(message: str) -> AwsError:
    return AwsError("ValidationError", message, status=400)


def limit_exceeded(what: str) -> AwsError:
    return AwsError("LimitExceededException", f"Limit for {what} has been exceeded")


def template_format(message: str) -> AwsError:
    return validation(f"Template format error: {message}")


def template_error(message: str) -> AwsError:
    return validation(f"Template error: {message}")


def transform_failed(transform: str, message: str) -> AwsError:
    return validation(f"Transform {transform} failed with: {message}")


def stack_does_not_exist(stack: str) -> AwsError:
    return validation(f"Stack with id {stack} does not exist")


def stack_named_does_not_exist(stack: str) -> AwsError:
    """The other sentence: AWS words it so for changes to a stack (UpdateStack, ListStackResources, events)."""
    return validation(f"Stack [{stack}] does not exist")


def stack_already_exists(stack_name: str) -> AwsError:
    return AwsError("AlreadyExistsException", f"Stack [{stack_name}] already exists")


def stack_status(stack_id: str, status: str, verb: str) -> AwsError:
    return validation(f"Stack:{stack_id} is in {status} state and can not be {verb}.")


def no_updates() -> AwsError:
    return validation("No updates are to be performed.")


def insufficient_capabilities(capabilities: list[str]) -> AwsError:
    return AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(capabilities)}]")


def termination_protected(stack_id: str) -> AwsError:
    return validation(f"Stack [{stack_id}] cannot be deleted while TerminationProtection is enabled")


def change_set_not_found(change_set: str) -> AwsError:
    return AwsError("ChangeSetNotFoundException", f"ChangeSet [{change_set}] does not exist")


def change_set_exists(name: str) -> AwsError:
    return AwsError("AlreadyExistsException", f"ChangeSet {name} already exists")


def change_set_status(change_set: str, status: str) -> AwsError:
    return AwsError("InvalidChangeSetStatusException", f"ChangeSet [{change_set}] cannot be executed in its current status of [{status}]")


def resource_does_not_exist(logical_id: str, stack: str) -> AwsError:
    return validation(f"Resource {logical_id} does not exist for stack {stack}")


def not_implemented(what: str) -> AwsError:
    """A refusal by name of what CloudFormation has and this room has not."""
    return validation(f"{what} is not supported by Groundcloud")


NO_CODEDEPLOY = ". Groundcloud does not implement CodeDeploy yet: remove these, and each UpdatePolicy that names them."


def no_traffic_shifting(logical_id: str) -> AwsError:
    """Of an alias whose UpdatePolicy gives it to CodeDeploy; SAM makes one of a function's DeploymentPreference."""
    return validation(
        f"UpdatePolicy CodeDeployLambdaAliasUpdate of {logical_id} is not supported by Groundcloud: it does not implement traffic shifting "
        "by CodeDeploy yet. Remove the function's DeploymentPreference (without SAM: this UpdatePolicy); "
        "the alias then goes over to each new version at once."
    )


def member_limit(member: str, value: str, limit: int) -> AwsError:
    return validation(
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {limit}"
    )
