"""Amazon EventBridge's errors, in its words. Source: API reference of each operation and the service's answers."""

from __future__ import annotations

from groundcloud.base.errors import AwsError


def validation(sentence: str) -> AwsError:
    return AwsError("ValidationException", sentence, status=400)


def not_valid(parameter: str, reason: str = "") -> AwsError:
    return validation(f"Parameter {parameter} is not valid." + (f" Reason: {reason}" if reason else ""))


def not_found(sentence: str) -> AwsError:
    return AwsError("ResourceNotFoundException", sentence)


def exists(sentence: str) -> AwsError:
    return AwsError("ResourceAlreadyExistsException", sentence)


def no_bus(bus_name: str) -> AwsError:
    return not_found(f"Event bus {bus_name} does not exist.")


def no_rule(rule_name: str, bus_name: str) -> AwsError:
    return not_found(f"Rule {rule_name} does not exist on EventBus {bus_name}.")


def no_archive(archive_name: str) -> AwsError:
    return not_found(f"Archive {archive_name} does not exist.")


def no_replay(replay_name: str) -> AwsError:
    return not_found(f"Replay {replay_name} does not exist.")


def no_connection(connection_name: str) -> AwsError:
    return not_found(f"Connection '{connection_name}' does not exist.")


def no_api_destination(destination_name: str) -> AwsError:
    return not_found(f"An api-destination '{destination_name}' does not exist.")


def invalid_pattern(reason: str) -> AwsError:
    return AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {reason}")


def managed_rule(rule_name: str, *, forcible: bool = False) -> AwsError:
    hint = " Set 'force' parameter to true to override." if forcible else ""
    return AwsError("ManagedRuleException", f"{rule_name} is a managed rule.{hint}")


def limit_exceeded(sentence: str = "The requested resource exceeds the maximum number allowed.") -> AwsError:
    return AwsError("LimitExceededException", sentence)


def illegal_status(replay_name: str) -> AwsError:
    return AwsError("IllegalStatusException", f"Replay {replay_name} is not in a valid state for this operation.")


def policy_too_long() -> AwsError:
    return AwsError("PolicyLengthExceededException", "The event bus policy is too long. Maximum allowed length is 10240 characters.")
