"""Key schemas, indexes and capacity of CreateTable and UpdateTable: checked in AWS's order, turned into records.

Pure. Source: API_CreateTable, API_UpdateTable; Developer Guide, "Quotas".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from groundcloud.services.dynamodb import errors, throughputs
from groundcloud.services.dynamodb.errors import invalid_parameters, validation
from groundcloud.services.dynamodb.shapes import complaint
from groundcloud.services.dynamodb.state import Index, KeyParts, VectorIndex
from groundcloud.services.dynamodb.vectors import DIMENSIONS_MAX

Request = dict[str, Any]

GLOBAL_INDEXES_MAX = 20
LOCAL_INDEXES_MAX = 5
INDEX_KEY_ATTRIBUTES_MAX = 4
"""Attributes of each half of a global index's key."""
PROJECTED_ATTRIBUTES_MAX = 100
VECTOR_INDEXES_MAX = 5
INLINE_FILTERS_MAX = 18
UNITS_MAX = 1_000_000_000_000

_INVALID_SCHEMA = "Invalid KeySchema: "


def check_billing(request: Request) -> None:
    throughput = request.get("ProvisionedThroughput")
    if request.get("BillingMode") == "PAY_PER_REQUEST":
        if throughput:
            raise invalid_parameters(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
            )
    elif not throughput:
        raise invalid_parameters("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
    else:
        check_units(throughput)


def check_units(throughput: Request, index_name: str | None = None) -> None:
    for member in ("ReadCapacityUnits", "WriteCapacityUnits"):
        if throughput[member] > UNITS_MAX:
            suffix = f" for index {index_name}" if index_name else ""
            raise validation(f"Given value {throughput[member]} for {member} is out of bounds{suffix}")


def definitions_of(request: Request) -> KeyParts:
    return tuple((definition["AttributeName"], definition["AttributeType"]) for definition in request.get("AttributeDefinitions", ()))


def read_table_key(request: Request) -> KeyParts:
    """The table's key as (name, type), partition key first."""
    definitions = definitions_of(request)
    types = dict(definitions)
    schema = request["KeySchema"]
    names = [element["AttributeName"] for element in schema]
    if len(schema) > 2:
        raise _too_long(schema)
    if len(names) == 2 and (any(name not in types for name in names) or (names[0] == names[1] and len(definitions) == 1)):
        raise validation(f"{_INVALID_SCHEMA}Some index key attribute have no definition")
    if len(names) == 1 and names[0] not in types:
        raise _undefined(names, list(types))
    _check_pair(schema)
    indexed = any(request.get(f"{kind}Indexes") is not None for kind in ("LocalSecondary", "GlobalSecondary", "Vector"))
    if not indexed and len(schema) != len(definitions):
        raise invalid_parameters(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"
        )
    return tuple((name, types[name]) for name in names)


def read_indexes(request: Request, key: KeyParts, next_number: Callable[[], int]) -> tuple[Index, ...]:
    """The indexes of CreateTable; `next_number` numbers each."""
    types = dict(definitions_of(request))
    seen: set[str] = set()
    found: list[Index] = []
    local, global_ = request.get("LocalSecondaryIndexes"), request.get("GlobalSecondaryIndexes")
    if local is not None:
        if not local:
            raise invalid_parameters("List of LocalSecondaryIndexes is empty")
        if len(key) != 2:
            raise invalid_parameters("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
        for spec in local:
            found.append(_read_local(spec, key, types, seen, next_number))
        if len(local) > LOCAL_INDEXES_MAX:
            raise invalid_parameters(f"Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_INDEXES_MAX}")
    if global_ is not None:
        if not global_:
            raise invalid_parameters("List of GlobalSecondaryIndexes is empty")
        for spec in global_:
            found.append(read_global_index(spec, types, seen, request.get("BillingMode") or "PROVISIONED", next_number))
        if len(global_) > GLOBAL_INDEXES_MAX:
            raise invalid_parameters(f"GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_INDEXES_MAX}")
    check_all_used(types, key, found, searched(request.get("VectorIndexes") or ()))
    if sum(len(index.non_key_attributes) for index in found) > PROJECTED_ATTRIBUTES_MAX:
        raise invalid_parameters(
            "Number of projected attributes across all indexes exceeds the per-table limit of " + str(PROJECTED_ATTRIBUTES_MAX)
        )
    return tuple(found)


def check_all_used(types: dict[str, str], key: KeyParts, found: list[Index], others: set[str]) -> None:
    """`others`: what the search schemas of vector indexes name."""
    used = {name for name, _ in key} | {name for index in found for name, _ in (*index.partition_keys, *index.sort_keys)} | others
    if any(name not in used for name in types):
        keys_used = [name for name in types if name in used]
        raise invalid_parameters(
            f"Some AttributeDefinitions are not used. AttributeDefinitions: [{', '.join(types)}], keys used: [{', '.join(keys_used)}]"
        )


def read_global_index(spec: Request, types: dict[str, str], seen: set[str], billing_mode: str, next_number: Callable[[], int]) -> Index:
    index_name = spec["IndexName"]
    schema = spec["KeySchema"]
    names = [element["AttributeName"] for element in schema]
    if any(name not in types for name in names):
        raise _undefined(names, list(types))
    kinds = [element["KeyType"] for element in schema]
    if len(schema) == 2 and kinds != ["HASH", "HASH"]:
        _check_pair(schema)
    hashes = kinds.count("HASH")
    if kinds[0] != "HASH":
        raise validation(f"{_INVALID_SCHEMA}The first KeySchemaElement is not a HASH key type")
    if kinds != sorted(kinds):  # HASH before RANGE
        raise validation(f"{_INVALID_SCHEMA}HASH key attributes must come before RANGE key attributes")
    if len(set(names)) != len(names):
        raise validation("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    if hashes > INDEX_KEY_ATTRIBUTES_MAX or len(kinds) - hashes > INDEX_KEY_ATTRIBUTES_MAX:
        raise validation(
            f"{_INVALID_SCHEMA}A global secondary index can have at most {INDEX_KEY_ATTRIBUTES_MAX} attributes for each key type"
        )
    projection_type, non_key = _read_projection(spec)
    throughput = spec.get("ProvisionedThroughput")
    if billing_mode == "PAY_PER_REQUEST" and throughput:
        raise invalid_parameters(
            f"ProvisionedThroughput should not be specified for index: {index_name} when BillingMode is PAY_PER_REQUEST"
        )
    if billing_mode == "PROVISIONED":
        if not throughput:
            raise invalid_parameters(f"ProvisionedThroughput must be specified for index: {index_name}")
        check_units(throughput, index_name)
    _check_unique(index_name, seen)
    parts = tuple((name, types[name]) for name in names)
    index = Index(
        index_name=index_name,
        index_number=next_number(),
        is_global=True,
        partition_keys=parts[:hashes],
        sort_keys=parts[hashes:],
        projection_type=projection_type,
        non_key_attributes=non_key,
        read_units=throughput["ReadCapacityUnits"] if throughput else 0,
        write_units=throughput["WriteCapacityUnits"] if throughput else 0,
        on_demand_limits=throughputs.on_demand_limits(spec.get("OnDemandThroughput") or {}, {}),
    )
    if "WarmThroughput" not in spec:
        return index
    warm = throughputs.warmer(spec["WarmThroughput"], index, billing_mode, f"index {index_name}")
    return index.replace(warm_throughput=warm)  # type: ignore[no-any-return]


def searched(specs: Iterable[Request]) -> set[str]:
    """The attributes in the search schemas of vector indexes."""
    return {element["AttributeName"] for spec in specs for element in spec.get("SearchSchema") or ()}


def read_vector_indexes(
    request: Request, key: KeyParts, indexes: tuple[Index, ...], next_number: Callable[[], int]
) -> tuple[VectorIndex, ...]:
    """The vector indexes of CreateTable."""
    specs = request.get("VectorIndexes")
    if not specs:
        return ()
    check_vectors_billed(request.get("BillingMode") or "PROVISIONED")
    if len(specs) > VECTOR_INDEXES_MAX:
        raise invalid_parameters(f"VectorIndex count exceeds the per-table limit of {VECTOR_INDEXES_MAX}")
    types, seen = dict(definitions_of(request)), {index.index_name for index in indexes}
    found: list[VectorIndex] = []
    for spec in specs:
        found.append(read_vector_index(spec, key, types, seen, found, next_number))
    return tuple(found)


def check_vectors_billed(billing_mode: str) -> None:
    if billing_mode != "PAY_PER_REQUEST":
        raise invalid_parameters("Vector indexes are only supported for PAY_PER_REQUEST tables")


def read_vector_index(
    spec: Request, key: KeyParts, types: dict[str, str], seen: set[str], others: Iterable[VectorIndex], next_number: Callable[[], int]
) -> VectorIndex:
    """`types` are the attributes defined by the request, `others` the vector indexes that the table has beside."""
    index_name, attribute, dimensions = spec["IndexName"], spec["VectorAttribute"]["AttributeName"], int(spec["Dimensions"])
    elements = spec.get("SearchSchema") or ()
    names = [element["AttributeName"] for element in elements]
    if any(name not in types for name in names):
        raise invalid_parameters("One element in SearchSchema is not defined in attribute definitions")
    if len(set(names)) != len(names):
        raise invalid_parameters(f"Duplicate attribute in SearchSchema of vector index: {index_name}")
    roles = [element["SearchSchemaElementType"] for element in elements]
    if roles.count("HASH") > 1:
        raise invalid_parameters(f"SearchSchema can have at most one HASH element. IndexName: {index_name}")
    if roles.count("INLINE_FILTER") > INLINE_FILTERS_MAX:
        raise invalid_parameters(f"SearchSchema can have at most {INLINE_FILTERS_MAX} INLINE_FILTER elements. IndexName: {index_name}")
    if attribute in types or attribute in dict(key):
        raise invalid_parameters(f"Vector attribute '{attribute}' must not be a key, nor be in AttributeDefinitions or SearchSchema")
    if dimensions > DIMENSIONS_MAX:
        raise invalid_parameters(f"Number of dimensions must be between 1 and {DIMENSIONS_MAX} inclusive.")
    if any(other.attribute == attribute and other.dimensions != dimensions for other in others):
        raise invalid_parameters(
            f"Conflicting attribute definition for '{attribute}'. All VectorIndexes on the same vector attribute must use the same dimensions."
        )
    projection_type, non_key = _read_projection(spec)
    _check_unique(index_name, seen)
    return VectorIndex(
        index_name=index_name,
        index_number=next_number(),
        attribute=attribute,
        dimensions=dimensions,
        distance=spec["DistanceFunction"],
        search_schema=tuple((name, role, types[name]) for name, role in zip(names, roles, strict=True)),
        projection_type=projection_type,
        non_key_attributes=non_key,
    )


def _read_local(spec: Request, key: KeyParts, types: dict[str, str], seen: set[str], next_number: Callable[[], int]) -> Index:
    index_name = spec["IndexName"]
    schema = spec["KeySchema"]
    names = [element["AttributeName"] for element in schema]
    if len(schema) > 2:
        raise _too_long(schema)
    if any(name not in types for name in names):
        raise _undefined(names, list(types))
    _check_pair(schema)
    if len(schema) != 2:
        raise invalid_parameters(f"Index KeySchema does not have a range key for index: {index_name}")
    if names[0] != key[0][0]:
        raise invalid_parameters(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: "
            f"{index_name}. index hash key: {names[0]}, table hash key: {key[0][0]}"
        )
    projection_type, non_key = _read_projection(spec)
    _check_unique(index_name, seen)
    return Index(
        index_name=index_name,
        index_number=next_number(),
        is_global=False,
        partition_keys=((names[0], types[names[0]]),),
        sort_keys=((names[1], types[names[1]]),),
        projection_type=projection_type,
        non_key_attributes=non_key,
    )


def _read_projection(spec: Request) -> tuple[str, tuple[str, ...]]:
    projection = spec["Projection"]
    kind, non_key = projection.get("ProjectionType"), projection.get("NonKeyAttributes")
    if kind is None:
        raise invalid_parameters("Unknown ProjectionType: null")
    if non_key and kind != "INCLUDE":
        raise invalid_parameters(f"ProjectionType is {kind}, but NonKeyAttributes is specified")
    if kind == "INCLUDE" and not non_key:
        raise invalid_parameters("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    return kind, tuple(non_key or ())


def _check_pair(schema: list[Request]) -> None:
    if len(schema) > 1 and schema[0]["AttributeName"] == schema[1]["AttributeName"]:
        raise validation("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    if schema[0]["KeyType"] != "HASH":
        raise validation(f"{_INVALID_SCHEMA}The first KeySchemaElement is not a HASH key type")
    if len(schema) > 1 and schema[1]["KeyType"] != "RANGE":
        raise validation(f"{_INVALID_SCHEMA}The second KeySchemaElement is not a RANGE key type")


def _check_unique(index_name: str, seen: set[str]) -> None:
    if index_name in seen:
        raise invalid_parameters(f"Duplicate index name: {index_name}")
    seen.add(index_name)


def _undefined(names: list[str], defined: list[str]) -> errors.AwsError:
    return invalid_parameters(
        "Some index key attributes are not defined in AttributeDefinitions. "
        f"Keys: [{', '.join(names)}], AttributeDefinitions: [{', '.join(defined)}]"
    )


def _too_long(schema: list[Request]) -> Exception:
    shown = ", ".join(f"KeySchemaElement(attributeName={e['AttributeName']}, keyType={e['KeyType']})" for e in schema)
    return complaint([f"Value '[{shown}]' at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2"])
