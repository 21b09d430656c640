"""Amazon SQS's errors, in its words. Source: API reference of each operation and the service's answers."""

from __future__ import annotations

from groundcloud.base.errors import AwsError
from groundcloud.wire.model import Model, Operation
from groundcloud.wire.validate import Violation


def explain(model: Model, operation: Operation, found: list[Violation]) -> AwsError:
    """SQS names the first parameter that is missing."""
    first = found[0]
    if first.kind == "missing":
        name = first.path.rsplit(".", 1)[-1]
        return missing_parameter(name[:1].upper() + name[1:])
    if first.kind == "enum":
        return unknown_attribute(str(first.value))
    return AwsError("InvalidParameterValue", f"Value {first.value} for parameter {first.path} is invalid. Reason: {first.sentence}.")


def missing_parameter(name: str) -> AwsError:
    return AwsError("MissingParameter", f"The request must contain the parameter {name}.")


def queue_does_not_exist() -> AwsError:
    return AwsError("QueueDoesNotExist", "The specified queue does not exist.")


def queue_name_exists(attribute: str) -> AwsError:
    return AwsError("QueueNameExists", f"A queue already exists with the same name and a different value for attribute {attribute}")


def queue_deleted_recently() -> AwsError:
    return AwsError(
        "QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name."
    )


def invalid_queue_name() -> AwsError:
    return AwsError("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")


def fifo_name_must_end() -> AwsError:
    return AwsError(
        "InvalidParameterValue",
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.",
    )


def invalid_address(queue_url: str) -> AwsError:
    return AwsError("InvalidAddress", f"The address {queue_url} is not valid for this endpoint.", status=404)


def unknown_attribute(name: str) -> AwsError:
    return AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")


def invalid_attribute_value(name: str) -> AwsError:
    return AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


def invalid_parameter(name: str, value: object, reason: str) -> AwsError:
    return AwsError("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def receipt_handle_is_invalid(receipt_handle: str) -> AwsError:
    return AwsError("ReceiptHandleIsInvalid", f'The input receipt handle "{receipt_handle}" is not a valid receipt handle.', status=404)


def receipt_handle_has_expired(receipt_handle: str) -> AwsError:
    return invalid_parameter("ReceiptHandle", receipt_handle, "The receipt handle has expired.")


def message_not_in_flight(receipt_handle: str) -> AwsError:
    return invalid_parameter("ReceiptHandle", receipt_handle, "Message does not exist or is not available for visibility timeout change.")


def invalid_message_contents() -> AwsError:
    return AwsError(
        "InvalidMessageContents",
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
    )


def message_too_long(limit: int) -> AwsError:
    return AwsError("InvalidParameterValue", f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.")


def empty_batch() -> AwsError:
    return AwsError("EmptyBatchRequest", "There should be at least one entry in the request.")


def too_many_entries(count: int) -> AwsError:
    return AwsError("TooManyEntriesInBatchRequest", f"Maximum number of entries per request are 10. You have sent {count}.")


def ids_not_distinct(entry_id: str) -> AwsError:
    return AwsError("BatchEntryIdsNotDistinct", f"Id {entry_id} repeated.")


def invalid_entry_id() -> AwsError:
    return AwsError(
        "InvalidBatchEntryId",
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
    )


def batch_too_long(limit: int, size: int) -> AwsError:
    return AwsError("BatchRequestTooLong", f"Batch requests cannot be longer than {limit} bytes. You have sent {size} bytes.")


def purge_in_progress(queue_name: str) -> AwsError:
    return AwsError("PurgeQueueInProgress", f"Only one PurgeQueue operation on {queue_name} is allowed every 60 seconds.", status=403)


def unsupported(what: str) -> AwsError:
    return AwsError("UnsupportedOperation", what)


def no_message_group_id() -> AwsError:
    return missing_parameter("MessageGroupId")


def no_deduplication_id() -> AwsError:
    return AwsError(
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )


def resource_not_found(message: str) -> AwsError:
    return AwsError("ResourceNotFoundException", message, status=404)
