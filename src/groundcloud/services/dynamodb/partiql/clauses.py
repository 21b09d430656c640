"""What a WHERE clause fixes of the keys: a whole key, or the ranges of keys that a SELECT has to read.

Pure. A constraint counts only among the conjuncts of the clause; the clause as a whole is tested on every item anyway.
"""

from __future__ import annotations

from groundcloud.services.dynamodb import errors, indexes, keys
from groundcloud.services.dynamodb.expressions.conditions import Comparison, Logic, Node
from groundcloud.services.dynamodb.expressions.operands import PathOperand, ValueOperand
from groundcloud.services.dynamodb.pages import Source
from groundcloud.services.dynamodb.state import TableDefinition
from groundcloud.services.dynamodb.values import Item, Value

RANGES_MAX = 50
"""Key ranges that one SELECT may read."""

Range = tuple[bytes | None, bytes | None, bytes | None]
"""(partition, start, stop); a partition of None is the whole table."""

_SORT_OPERATORS = frozenset(("=", "<", "<=", ">", ">=", "BETWEEN", "begins_with"))
_FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def conjuncts(node: Node | None) -> list[Node]:
    if node is None:
        return []
    if isinstance(node, Logic) and node.operator == "AND":
        return [leaf for inner in node.nodes for leaf in conjuncts(inner)]
    return [node]


def constraint_of(node: Node, name: str) -> tuple[str, list[str]] | None:
    """(operator, placeholders) where a leaf compares this attribute with constants."""
    if not isinstance(node, Comparison):
        return None
    operands = node.operands
    if len(operands) > 1 and isinstance(operands[0], PathOperand) and operands[0].path == (name,):
        constants = operands[1:]
        operator = node.operator
    elif len(operands) == 2 and node.operator in _FLIPPED and isinstance(operands[1], PathOperand) and operands[1].path == (name,):
        constants = operands[:1]
        operator = _FLIPPED[node.operator]
    else:
        return None
    placeholders = [operand.placeholder for operand in constants if isinstance(operand, ValueOperand)]
    return (operator, placeholders) if len(placeholders) == len(constants) else None


def split_key(table: TableDefinition, where: Node | None, found: dict[str, Value]) -> tuple[Item | None, Node | None]:
    """The whole key that a WHERE clause fixes by equality, and what it asks beyond."""
    key: Item = {}
    rest = conjuncts(where)
    for name, _ in table.key:
        for node in rest:
            constraint = constraint_of(node, name)
            if constraint is not None and constraint[0] == "=":
                key[name] = found[constraint[1][0]]
                rest.remove(node)
                break
        else:
            return None, where
    return key, None if not rest else rest[0] if len(rest) == 1 else Logic("AND", rest)


def ranges_of(source: Source, where: Node | None, found: dict[str, Value]) -> list[Range] | None:
    """(partition, start, stop) of the key ranges that a clause asks for; None for the whole table."""
    leaves = conjuncts(where)
    partitions: list[bytes] | None = None
    if len(source.partition_keys) != 1:
        return _joined_range(source, leaves, found)
    name, kind = source.partition_keys[0]
    for leaf in leaves:
        constraint = constraint_of(leaf, name)
        if constraint is not None and constraint[0] in ("=", "IN"):
            operands = [found[placeholder] for placeholder in constraint[1]]
            partitions = [keys.partition(keys.scalar(kind, operand[kind])) for operand in operands if kind in operand]
            break
    if partitions is None:
        return None
    if len(partitions) > RANGES_MAX:
        raise errors.validation("Too many decomposed read operations for a given query.")
    start, stop = _sort_bounds(source, leaves, found)
    return [(partition, start, stop) for partition in dict.fromkeys(partitions)]


def _joined_range(source: Source, leaves: list[Node], found: dict[str, Value]) -> list[Range] | None:
    parts = []
    for name, kind in source.partition_keys:
        for leaf in leaves:
            constraint = constraint_of(leaf, name)
            if constraint is not None and constraint[0] == "=" and kind in found[constraint[1][0]]:
                parts.append(keys.scalar(kind, found[constraint[1][0]][kind]))
                break
        else:
            return None
    start, stop = _sort_bounds(source, leaves, found)
    return [(keys.partition(keys.join(parts)), start, stop)]


def _sort_bounds(source: Source, leaves: list[Node], found: dict[str, Value]) -> tuple[bytes | None, bytes | None]:
    """Bounds that the first sort key's constraint gives; the clause is tested on every item anyway."""
    sorts: list[tuple[str, list[Value]]] = []
    for name, kind in source.sort_keys:
        for leaf in leaves:
            constraint = constraint_of(leaf, name)
            if constraint is not None and constraint[0] in _SORT_OPERATORS:
                operands = [found[placeholder] for placeholder in constraint[1]]
                if all(kind in operand for operand in operands):
                    sorts.append((constraint[0], operands))
                    break
        else:
            break
        if sorts[-1][0] != "=":
            break
    return indexes.sort_range(source.sort_keys, sorts)
