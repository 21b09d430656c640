"""Every error that this room raises, one function each, with AWS's code and sentence."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError, not_implemented

__all__ = ["AwsError", "not_implemented"]

INVALID_PARAMETERS = "One or more parameter values were invalid: "
"""The preamble of most sentences about the content of a request."""


def validation(sentence: str) -> AwsError:
    return AwsError("ValidationException", sentence)


def invalid_parameters(sentence: str) -> AwsError:
    return AwsError("ValidationException", INVALID_PARAMETERS + sentence)


def serialization(sentence: str) -> AwsError:
    """A member of the wrong JSON type."""
    return AwsError("SerializationException", sentence, status=400)


def table_not_found(table_name: str) -> AwsError:
    """DescribeTable, DeleteTable, UpdateTable and the other operations on the table itself."""
    return AwsError("ResourceNotFoundException", f"Requested resource not found: Table: {table_name} not found")


def resource_not_found() -> AwsError:
    """The operations on items do not name the table."""
    return AwsError("ResourceNotFoundException", "Requested resource not found")


def no_resource_for_arn(resource_arn: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {resource_arn} not found")


def backup_table_not_found(table_name: str) -> AwsError:
    return AwsError("TableNotFoundException", f"Table not found: {table_name}")


def table_exists(table_name: str) -> AwsError:
    return AwsError("ResourceInUseException", f"Table already exists: {table_name}")


def table_in_use(sentence: str) -> AwsError:
    return AwsError("ResourceInUseException", sentence)


def limit_exceeded(sentence: str) -> AwsError:
    return AwsError("LimitExceededException", sentence)


def no_majority() -> AwsError:
    """A strongly consistent global table's region that reaches too few of the others; SDKs try again."""
    return AwsError("InternalServerError", "Internal server error", status=500)


def condition_failed(item: Any = None) -> AwsError:
    """`item`: the item as it is, for ReturnValuesOnConditionCheckFailure=ALL_OLD."""
    fields = {"Item": item} if item is not None else None
    return AwsError("ConditionalCheckFailedException", "The conditional request failed", fields=fields)


def policy_not_found(resource_arn: str) -> AwsError:
    return AwsError("PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: {resource_arn}")


def throughput_exceeded(reason: dict[str, str]) -> AwsError:
    """`reason` is a ThrottlingReason."""
    return AwsError(
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded. "
        "Consider increasing your provisioning level with the UpdateTable API.",
        fields={"ThrottlingReasons": [reason]},
    )


def index_throughput_exceeded(reason: dict[str, str]) -> AwsError:
    return AwsError(
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. "
        "Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API",
        fields={"ThrottlingReasons": [reason]},
    )


def on_demand_maximum_exceeded(reason: dict[str, str]) -> AwsError:
    sentence = "Throughput exceeds the maximum OnDemandThroughput configured on table or index"
    return AwsError("ThrottlingException", sentence, status=400, fields={"throttlingReasons": [reason]})


def key_does_not_match() -> AwsError:
    return validation("The provided key element does not match the schema")


def missing_key(name: str) -> AwsError:
    return invalid_parameters(f"Missing the key {name} in the item")


def key_type_mismatch(name: str, expected: str, actual: str) -> AwsError:
    return invalid_parameters(f"Type mismatch for key {name} expected: {expected} actual: {actual}")


def empty_key(name: str, kind: str) -> AwsError:
    noun = "string" if kind == "S" else "binary"
    return validation(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
        f"empty {noun} value. Key: {name}"
    )


def empty_index_key(index_name: str, name: str, kind: str) -> AwsError:
    noun = "string" if kind == "S" else "binary"
    return validation(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
        f"The AttributeValue for a key attribute cannot contain an empty {noun} value. IndexName: {index_name}, IndexKey: {name}"
    )


def is_empty_key(error: AwsError) -> bool:
    """Whether a key, of a table or an index, was empty: AWS refuses a whole transaction for it, not a part."""
    return error.message.startswith("One or more parameter values are not valid. ")


def updated_index_key_type() -> AwsError:
    """Source: this and the next, API_TransactWriteItems > TransactionCanceledException."""
    return validation("The update expression attempted to update the secondary index key to unsupported type")


def updated_index_key_too_large() -> AwsError:
    return validation("The update expression attempted to update the secondary index key beyond allowed size limits")


def empty_updated_index_key(kind: str) -> AwsError:
    noun = "string" if kind == "S" else "binary"
    return validation(
        "One or more parameter values are not valid. The update expression attempted to update a secondary index key to a value that is "
        f"not supported. The AttributeValue for a key attribute cannot contain an empty {noun} value."
    )


def index_key_type_mismatch(name: str, expected: str, actual: str, index_name: str) -> AwsError:
    return invalid_parameters(f"Type mismatch for Index Key {name} Expected: {expected} Actual: {actual} IndexName: {index_name}")


def vector_type(sentence: str, index_name: str) -> AwsError:
    return validation(f"One or more parameter values were invalid. Invalid type for parameter {sentence} IndexName: {index_name}")


def vector_size(attribute: str, expected: int, actual: int, index_name: str) -> AwsError:
    return validation(
        f"One or more parameter values were invalid. Invalid size for parameter {attribute}, Expected: {expected}, Actual: {actual}. "
        f"IndexName: {index_name}"
    )


def hash_key_too_large() -> AwsError:
    return invalid_parameters("Size of hashkey has exceeded the maximum size limit of2048 bytes")


def range_key_too_large() -> AwsError:
    return invalid_parameters("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")


def item_too_large() -> AwsError:
    return validation("Item size has exceeded the maximum allowed size")


def updated_item_too_large() -> AwsError:
    return validation("Item size to update has exceeded the maximum allowed size")


def item_collection_too_large() -> AwsError:
    return AwsError("ItemCollectionSizeLimitExceededException", "Item collection too large")


def empty_attribute_name() -> AwsError:
    return invalid_parameters("Empty attribute name")


def attribute_name_too_large() -> AwsError:
    return invalid_parameters("Attribute name is too large, must be less than 65536 bytes")


def nested_too_deep() -> AwsError:
    return validation("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")


def cannot_update_key(name: str) -> AwsError:
    return invalid_parameters(f"Cannot update attribute {name}. This attribute is part of the key")


def key_is_no_document(noun: str, name: str) -> AwsError:
    return validation(f"Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {noun}: {name}")


def incorrect_operand() -> AwsError:
    return validation("An operand in the update expression has an incorrect data type")


def no_such_attribute() -> AwsError:
    return validation("The provided expression refers to an attribute that does not exist in the item")


def invalid_document_path() -> AwsError:
    return validation("The document path provided in the update expression is invalid for update")


def not_of_strong_tables(what: str) -> AwsError:
    """Developer Guide: "Global tables core concepts", of multi-Region strong consistency. The sentence is this server's."""
    return validation(f"{what} not supported on global tables with MultiRegionConsistency STRONG")


def no_such_index(index_name: str) -> AwsError:
    return validation(f"The table does not have the specified index: {index_name}")


def not_searchable_so(operation: str) -> AwsError:
    """A vector index is read by SearchVectors alone."""
    return validation(f"{operation} operation not supported on this index type")


def invalid_start_key(reason: str = "") -> AwsError:
    return validation("The provided starting key is invalid" + (f": {reason}" if reason else ""))
