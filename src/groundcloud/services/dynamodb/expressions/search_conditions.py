"""SearchConditionExpression: equalities of attributes and values, joined by AND.

Pure. Which attributes may be asked for is the vector index's affair.
Source: Developer Guide, "Creating and searching vector indexes" > Filtering with SearchConditionExpression.
"""

from __future__ import annotations

from groundcloud.services.dynamodb.expressions.conditions import COMPARATORS, Logic, Node
from groundcloud.services.dynamodb.expressions.operands import PathOperand, ValueOperand
from groundcloud.services.dynamodb.expressions.tokens import InvalidExpression


def to_equalities(tree: Node) -> dict[str, str]:
    """Attribute -> placeholder of the value. Raises InvalidExpression (its sentence without a preamble)."""
    found: dict[str, str] = {}
    _collect(tree, found)
    return found


def _collect(node: Node, found: dict[str, str]) -> None:
    if isinstance(node, Logic):
        if node.operator != "AND":
            raise InvalidExpression("Invalid operator used in SearchConditionExpression")
        for inner in node.nodes:
            _collect(inner, found)
        return
    if node.operator != "=":
        word = "comparator" if node.operator in COMPARATORS else "operator"
        raise InvalidExpression(f"Invalid {word} used in SearchConditionExpression")
    left, right = node.operands
    if isinstance(left, ValueOperand):
        left, right = right, left
    if not isinstance(left, PathOperand) or not isinstance(right, ValueOperand):
        raise InvalidExpression("Invalid condition in SearchConditionExpression: an attribute must be compared with a value")
    if len(left.path) > 1:
        raise InvalidExpression("SearchConditionExpression cannot have conditions on nested attributes")
    name = str(left.path[0])
    if name in found:
        raise InvalidExpression("SearchConditionExpression must only contain one condition per attribute")
    found[name] = right.placeholder
