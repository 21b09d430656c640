"""Condition, filter and key condition expressions: text to a tree, its errors in AWS's order, the tree to one closure.

Pure. `compile_condition` gives `test(item, values) -> bool`.
Source: Developer Guide, "Condition and filter expressions, operators, and functions in DynamoDB".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from groundcloud.services.dynamodb import values as attribute_values
from groundcloud.services.dynamodb.expressions.comparisons import (
    Get,
    Test,
    Values,
    begins_with,
    between,
    compare,
    contains,
    is_in,
    path_getter,
    size_of_value,
)
from groundcloud.services.dynamodb.expressions.operands import (
    FunctionOperand,
    Operand,
    PathOperand,
    ValueOperand,
    ValueTypes,
    constant_type,
    distinct_error,
    operand_count_error,
    operand_type_error,
    parse_operand,
    path_required_error,
    undefined_value,
)
from groundcloud.services.dynamodb.expressions.paths import Names, Path
from groundcloud.services.dynamodb.expressions.tokens import Cursor, InvalidExpression
from groundcloud.services.dynamodb.values import ORDERED, Item, Value, order_key, show, type_of

OPERATORS_MAX = 300
"""Source: Developer Guide, "Quotas" > Expression parameters > Operators and operands."""
IN_OPERANDS_MAX = 100

COMPARATORS = frozenset(("=", "<>", "<", "<=", ">", ">="))
FUNCTION_OPERANDS = {
    "attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2, "size": 1,
}  # fmt: skip
TYPE_NAMES = frozenset(attribute_values.TYPE_WORDS)

_KEYWORDS = frozenset(("AND", "OR", "NOT", "BETWEEN", "IN"))


@dataclass(slots=True)
class Comparison:
    """A leaf: `operator` is a comparator, BETWEEN, IN, or the name of a function."""

    operator: str
    operands: list[Operand]


@dataclass(slots=True)
class Logic:
    """AND, OR (two nodes) or NOT (one)."""

    operator: str
    nodes: list[Node]


Node = Comparison | Logic


@dataclass(slots=True)
class Condition:
    """A compiled expression: the test, and what its callers ask about the attributes that it reads."""

    test: Test
    tree: Node
    paths: list[Path]
    nested: tuple[Path, ...]
    """Those of the paths that lead into a document."""


class _Parser:
    def __init__(self, text: str, names: Names, types: ValueTypes) -> None:
        self.cursor = Cursor(text)
        self.names = names
        self.types = types
        self.redundant_parentheses = False
        self.operators = 0
        self._parenthesised: Node | Operand | None = None

    def parse(self) -> Node:
        if self.cursor.token.kind == "end":
            self.cursor.fail()
        node = self._condition(self._disjunction())
        if self.cursor.token.kind != "end":
            self.cursor.fail()
        if self.operators > OPERATORS_MAX:
            raise InvalidExpression(f"The expression contains too many operators; operator count: {self.operators}")
        return node

    def _condition(self, parsed: Node | Operand) -> Node:
        """A whole condition is asked for: a function stands for one, a path or value does not."""
        if isinstance(parsed, FunctionOperand):
            return Comparison(parsed.name, parsed.arguments)
        if isinstance(parsed, Comparison | Logic):
            return parsed
        self.cursor.fail()

    def _disjunction(self) -> Node | Operand:
        left = self._conjunction()
        if self.cursor.keyword("OR"):
            nodes = [self._condition(left)]
            while self.cursor.keyword("OR"):
                self.cursor.advance()
                self.operators += 1
                nodes.append(self._condition(self._conjunction()))
            return Logic("OR", nodes)
        return left

    def _conjunction(self) -> Node | Operand:
        left = self._negation()
        if self.cursor.keyword("AND"):
            nodes = [self._condition(left)]
            while self.cursor.keyword("AND"):
                self.cursor.advance()
                self.operators += 1
                nodes.append(self._condition(self._negation()))
            return Logic("AND", nodes)
        return left

    def _negation(self) -> Node | Operand:
        if self.cursor.keyword("NOT") and self.cursor.following().text != ".":
            self.cursor.advance()
            self.operators += 1
            self.cursor.descend()
            node = Logic("NOT", [self._condition(self._negation())])
            self.cursor.ascend()
            return node
        return self._comparison()

    def _comparison(self) -> Node | Operand:
        cursor = self.cursor
        left = self._primary()
        if isinstance(left, Comparison | Logic):
            return left
        if cursor.token.kind == "symbol" and cursor.token.text in COMPARATORS:
            operator = cursor.advance().text
            self.operators += 1
            return Comparison(operator, [left, self._operand()])
        if cursor.keyword("BETWEEN"):
            cursor.advance()
            self.operators += 1
            low = self._operand()
            if not cursor.keyword("AND"):
                cursor.fail()
            cursor.advance()
            return Comparison("BETWEEN", [left, low, self._operand()])
        if cursor.keyword("IN"):
            cursor.advance()
            self.operators += 1
            cursor.expect("(")
            operands = [self._operand()]
            while cursor.symbol(","):
                operands.append(self._operand())
            cursor.expect(")")
            return Comparison("IN", [left, *operands])
        return left

    def _primary(self) -> Node | Operand:
        """An operand, or what stands in parentheses: a condition or again an operand."""
        cursor = self.cursor
        if not (cursor.token.kind == "symbol" and cursor.token.text == "("):
            return self._bare_operand()
        cursor.advance()
        cursor.descend()
        inner = self._disjunction()
        if inner is self._parenthesised:
            self.redundant_parentheses = True
        cursor.expect(")")
        cursor.ascend()
        self._parenthesised = inner
        return inner

    def _operand(self) -> Operand:
        if not self.cursor.symbol("("):
            return self._bare_operand()
        self.cursor.descend()
        inner = self._operand()
        if inner is self._parenthesised:
            self.redundant_parentheses = True
        self.cursor.expect(")")
        self.cursor.ascend()
        self._parenthesised = inner
        return inner

    def _bare_operand(self) -> Operand:
        operand = parse_operand(self.cursor, self.names, self.types, _KEYWORDS)
        if isinstance(operand, FunctionOperand):
            self.operators += 1
        return operand


def compile_condition(text: str, names: Names, types: ValueTypes, checks: list[Callable[[Values], str | None]]) -> Condition:
    """Raises InvalidExpression. Appends to `checks` what depends on the values themselves and must be asked at each call."""
    parser = _Parser(text, names, types)
    tree = parser.parse()
    if parser.redundant_parentheses:
        raise InvalidExpression("The expression has redundant parentheses;")
    leaves = list(_leaves(tree))
    problem = (
        _first(_unknown_function, leaves)
        or _first(_misused_function, leaves)
        or names.reserved
        or names.undefined
        or _first(lambda leaf: _leaf_error(leaf, checks), leaves)
    )
    if problem:
        raise InvalidExpression(problem)
    paths = [path for leaf in leaves for operand in leaf.operands for path in _paths(operand)]
    return Condition(build(tree), tree, paths, tuple(path for path in paths if len(path) > 1))


def _leaves(node: Node) -> Iterator[Comparison]:
    if isinstance(node, Logic):
        for inner in node.nodes:
            yield from _leaves(inner)
    else:
        yield node


def _paths(operand: Operand) -> Iterator[Path]:
    if isinstance(operand, PathOperand):
        yield operand.path
    elif isinstance(operand, FunctionOperand):
        for argument in operand.arguments:
            yield from _paths(argument)


def _first(judge: Callable[[Comparison], str | None], leaves: list[Comparison]) -> str | None:
    for leaf in leaves:
        if problem := judge(leaf):
            return problem
    return None


def _is_function(leaf: Comparison) -> bool:
    return leaf.operator not in COMPARATORS and leaf.operator not in ("BETWEEN", "IN")


def _unknown_function(leaf: Comparison) -> str | None:
    def visit(name: str, arguments: list[Operand]) -> str | None:
        for argument in arguments:
            if isinstance(argument, FunctionOperand) and (problem := visit(argument.name, argument.arguments)):
                return problem
        if name in FUNCTION_OPERANDS:
            return None
        if name in ("if_not_exists", "list_append"):
            return f"The function is not allowed in a condition expression; function: {name}"
        return f"Invalid function name; function: {name}"

    if _is_function(leaf):
        return visit(leaf.operator, leaf.operands)
    for operand in leaf.operands:
        if isinstance(operand, FunctionOperand) and (problem := visit(operand.name, operand.arguments)):
            return problem
    return None


def _misused_function(leaf: Comparison) -> str | None:
    """`size` gives an amount and every other function a condition; neither may stand for the other."""
    misuse = "The function is not allowed to be used this way in an expression; function: "

    def visit(operands: list[Operand]) -> str | None:
        for operand in operands:
            if isinstance(operand, FunctionOperand):
                if operand.name != "size":
                    return misuse + operand.name
                if problem := visit(operand.arguments):
                    return problem
        return None

    return misuse + leaf.operator if leaf.operator == "size" else visit(leaf.operands)


def _leaf_error(leaf: Comparison, checks: list[Callable[[Values], str | None]]) -> str | None:
    operands = leaf.operands
    for operand in operands:
        if problem := undefined_value(operand):
            return problem
    for operand in operands:
        if isinstance(operand, FunctionOperand) and (problem := _function_error(operand.name, operand.arguments, checks)):
            return problem
    operator = leaf.operator
    if operator in COMPARATORS:
        if problem := distinct_error(operator, operands[0], operands[1:]):
            return problem
        if operator not in ("=", "<>"):
            return _unordered_constant(operator, operands)
        return None
    if operator == "BETWEEN":
        if problem := _unordered_constant(operator, operands):
            return problem
        return _bounds_error(operands[1], operands[2], checks)
    if operator == "IN":
        if len(operands) - 1 > IN_OPERANDS_MAX:
            return f"The IN operator is provided with too many operands; number of operands: {len(operands) - 1}"
        return distinct_error("IN", operands[0], operands[1:])
    return _function_error(operator, operands, checks)


def _unordered_constant(operator: str, operands: list[Operand]) -> str | None:
    for operand in operands:
        kind = constant_type(operand)
        if kind is not None and kind not in ORDERED:
            return operand_type_error(operator, kind)
    return None


def _function_error(name: str, arguments: list[Operand], checks: list[Callable[[Values], str | None]]) -> str | None:
    for argument in arguments:
        if isinstance(argument, FunctionOperand) and (problem := _function_error(argument.name, argument.arguments, checks)):
            return problem
    if len(arguments) != FUNCTION_OPERANDS[name]:
        return operand_count_error(name, len(arguments))
    if problem := distinct_error(name, arguments[0], arguments[1:]):
        return problem
    if name in ("attribute_exists", "attribute_not_exists"):
        return None if isinstance(arguments[0], PathOperand) else path_required_error(name)
    if name == "begins_with":
        for argument in arguments:
            kind = "N" if isinstance(argument, FunctionOperand) else constant_type(argument)
            if kind is not None and kind not in ("S", "B"):
                return operand_type_error(name, kind)
    elif name == "attribute_type":
        wanted = arguments[1]
        kind = constant_type(wanted)
        if kind != "S":
            return operand_type_error(name, kind or ("N" if isinstance(wanted, FunctionOperand) else "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"))
        assert isinstance(wanted, ValueOperand)
        checks.append(_type_name_check(wanted.placeholder))
    elif name == "size":
        kind = constant_type(arguments[0])
        if kind in ("N", "BOOL", "NULL"):
            return operand_type_error(name, kind)
    return None


def _type_name_check(placeholder: str) -> Callable[[Values], str | None]:
    def check(values: Values) -> str | None:
        name = values[placeholder]["S"]
        if name in TYPE_NAMES:
            return None
        return f"Invalid attribute type name found; type: {name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"

    return check


def _bounds_error(low: Operand, high: Operand, checks: list[Callable[[Values], str | None]]) -> str | None:
    if isinstance(low, ValueOperand) and isinstance(high, ValueOperand):
        checks.append(_bounds_check(low.placeholder, high.placeholder))
    return None


def _bounds_check(low: str, high: str) -> Callable[[Values], str | None]:
    def check(values: Values) -> str | None:
        lower, upper = values[low], values[high]
        if type_of(lower) != type_of(upper):
            problem = "The BETWEEN operator requires same data type for lower and upper bounds"
        elif order_key(lower) > order_key(upper):
            problem = "The BETWEEN operator requires upper bound to be greater than or equal to lower bound"
        else:
            return None
        return f"{problem}; lower bound operand: AttributeValue: {show(lower)}, upper bound operand: AttributeValue: {show(upper)}"

    return check


# --- the tree to closures ---------------------------------------------------------------------------------------------------------


def build(node: Node) -> Test:
    if isinstance(node, Logic):
        tests = [build(inner) for inner in node.nodes]
        if node.operator == "NOT":
            (inner,) = tests
            return lambda item, values: not inner(item, values)
        if node.operator == "AND":
            if len(tests) == 2:
                first, second = tests
                return lambda item, values: first(item, values) and second(item, values)
            return lambda item, values: all(test(item, values) for test in tests)
        return lambda item, values: any(test(item, values) for test in tests)
    operator, operands = node.operator, node.operands
    if operator in COMPARATORS:
        return compare(operator, getter(operands[0]), getter(operands[1]))
    if operator == "BETWEEN":
        return between(*map(getter, operands))
    if operator == "IN":
        return is_in(getter(operands[0]), [getter(operand) for operand in operands[1:]])
    return _build_function(operator, operands)


def getter(operand: Operand) -> Get:
    if isinstance(operand, ValueOperand):
        placeholder = operand.placeholder
        return lambda item, values: values[placeholder]
    if isinstance(operand, PathOperand):
        return path_getter(operand.path)
    assert isinstance(operand, FunctionOperand)
    inner = getter(operand.arguments[0])

    def size(item: Item, values: Values) -> Value | None:
        value = inner(item, values)
        amount = None if value is None else size_of_value(value)
        return None if amount is None else {"N": str(amount)}

    return size


def _build_function(name: str, arguments: list[Operand]) -> Test:
    first = getter(arguments[0])
    if name == "attribute_exists":
        return lambda item, values: first(item, values) is not None
    if name == "attribute_not_exists":
        return lambda item, values: first(item, values) is None
    second = getter(arguments[1])
    if name == "attribute_type":

        def has_type(item: Item, values: Values) -> bool:
            value, wanted = first(item, values), second(item, values)
            return value is not None and wanted is not None and type_of(value) == wanted.get("S")

        return has_type
    return contains(first, second) if name == "contains" else begins_with(first, second)
