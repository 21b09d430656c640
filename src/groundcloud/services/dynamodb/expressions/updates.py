"""Update expressions: text to actions, their errors in AWS's order, and the actions applied to an item.

Pure. Every right-hand side is computed on the item as it was; then SET, REMOVE, ADD and DELETE change a copy, which shares with the
original all that no path touches.
Source: Developer Guide, "Using update expressions in DynamoDB".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groundcloud.services.dynamodb import errors, numbers
from groundcloud.services.dynamodb.expressions.operands import (
    Arithmetic,
    FunctionOperand,
    Operand,
    PathOperand,
    ValueOperand,
    ValueTypes,
    constant_type,
    distinct_error,
    operand_count_error,
    operand_type_error,
    parse_argument,
    parse_operand,
    path_required_error,
    undefined_value,
)
from groundcloud.services.dynamodb.expressions.paths import Names, Path, find_clash, lookup, parse_path
from groundcloud.services.dynamodb.expressions.tokens import Cursor, InvalidExpression
from groundcloud.services.dynamodb.values import SETS, TYPE_WORDS, Item, Value

Values = dict[str, Value]
Compute = Callable[[Item, Values], Value]

OPERATORS_MAX = 300
"""Source: Developer Guide, "Quotas" > Expression parameters > Operators and operands."""

_SECTIONS = frozenset(("SET", "REMOVE", "ADD", "DELETE"))


@dataclass(slots=True)
class Action:
    """`section` is SET, REMOVE, ADD or DELETE; `operand` is None for REMOVE."""

    section: str
    path: Path
    operand: Operand | None


@dataclass(slots=True)
class Update:
    """A compiled expression. `paths` are the paths that it changes, for UPDATED_OLD and UPDATED_NEW."""

    steps: list[Step]
    paths: list[Path]
    top: frozenset[str]
    deep: bool = False
    """Whether something may end up nested deeper than it was when it was checked."""
    is_legacy: bool = False
    """Whether it was made of AttributeUpdates."""
    only_legacy_deletes: bool = False
    """AttributeUpdates that only delete: they make no item where there is none."""

    def apply(self, item: Item, values: Values) -> Item:
        """The item after the update. Raises ValidationException where the item does not allow it."""
        return apply(self.steps, item, values)


Step = tuple[str, Path, Compute | None]
"""A section, the path, and what computes the new value (SET) or the operand (ADD, DELETE)."""


def apply(steps: list[Step], item: Item, values: Values) -> Item:
    computed = [(section, path, None if compute is None else compute(item, values)) for section, path, compute in steps]
    changed = dict(item)
    owned: set[int] = {id(changed)}
    removals: list[Path] = []
    appends: list[tuple[Path, Value]] = []
    for section, path, value in computed:
        if section == "SET":
            assert value is not None
            if len(path) == 1:
                changed[path[0]] = value  # type: ignore[index]
            else:
                holder = _holder(changed, path, owned)
                if isinstance(holder, list) and path[-1] >= len(holder):  # type: ignore[operator]
                    appends.append((path, value))
                else:
                    holder[path[-1]] = value
        elif section == "REMOVE":
            removals.append(path)
        elif section == "ADD":
            assert value is not None
            _put(changed, path, _added(lookup(item, path), value), owned)
        else:
            assert value is not None
            current = lookup(item, path)
            if current is not None:
                _put(changed, path, _without(current, value), owned)
            elif len(path) > 1:
                _holder(changed, path, owned)
    for path in sorted(removals, key=_removal_order, reverse=True):
        _remove(changed, path, owned)
    for path, value in sorted(appends, key=lambda append: append[0][-1]):
        _holder(changed, path, owned).append(value)  # what lies beyond the end of a list lands at its end, in the order of the indexes
    return changed


def _removal_order(path: Path) -> tuple[Any, ...]:
    """Later elements of a list go first, so that the earlier keep their indexes."""
    return tuple((1, step, "") if isinstance(step, int) else (0, 0, step) for step in path)


def _holder(item: Item, path: Path, owned: set[int]) -> Any:
    """The dict or list that holds the last step, with everything on the way copied once. Raises where a step leads nowhere."""
    holder: Any = item
    for at, step in enumerate(path[:-1]):
        if isinstance(step, str):
            if not isinstance(holder, dict) or step not in holder:
                raise errors.invalid_document_path()
        elif not isinstance(holder, list) or step >= len(holder):
            raise errors.invalid_document_path()
        value = holder[step]
        kind = "M" if isinstance(path[at + 1], str) else "L"
        inner = value.get(kind)
        if inner is None:
            raise errors.invalid_document_path()
        if id(inner) not in owned:
            inner = inner.copy()
            owned.add(id(inner))
            holder[step] = {kind: inner}
        holder = inner
    return holder


def _put(item: Item, path: Path, value: Value | None, owned: set[int]) -> None:
    """None removes: a set that lost its last member."""
    holder = _holder(item, path, owned)
    step = path[-1]
    if isinstance(holder, list):
        if value is None:
            del holder[step]  # type: ignore[arg-type]
        elif step < len(holder):  # type: ignore[operator]
            holder[step] = value  # type: ignore[index]
        else:
            holder.append(value)
    elif value is None:
        holder.pop(step, None)
    else:
        holder[step] = value


def _remove(item: Item, path: Path, owned: set[int]) -> None:
    holder = _holder(item, path, owned)
    step = path[-1]
    if isinstance(holder, list):
        if step < len(holder):  # type: ignore[operator]
            del holder[step]  # type: ignore[arg-type]
    else:
        holder.pop(step, None)


def _added(current: Value | None, amount: Value) -> Value:
    kind = next(iter(amount))
    if current is None:
        return amount
    content = current.get(kind)
    if content is None:
        raise errors.incorrect_operand()
    if kind == "N":
        return {"N": numbers.add(content, amount["N"])}
    present = set(content)
    return {kind: content + [member for member in amount[kind] if member not in present]}


def _without(current: Value, members: Value) -> Value | None:
    kind = next(iter(members))
    content = current.get(kind)
    if content is None:
        raise errors.incorrect_operand()
    gone = set(members[kind])
    left = [member for member in content if member not in gone]
    return {kind: left} if left else None


# --- text to actions --------------------------------------------------------------------------------------------------------------


def compile_update(text: str, names: Names, types: ValueTypes) -> Update:
    """Raises InvalidExpression."""
    cursor = Cursor(text)
    actions: list[Action] = []
    sections: list[str] = []
    if cursor.token.kind == "end":
        cursor.fail()
    while cursor.token.kind != "end":
        section = cursor.keyword(*_SECTIONS)
        if section is None:
            cursor.fail()
        cursor.advance()
        sections.append(section)
        while True:
            actions.append(_parse_action(section, cursor, names, types))
            if not cursor.symbol(","):
                break
    operators = sum(_count_operators(action.operand) for action in actions)
    if operators > OPERATORS_MAX:
        raise InvalidExpression(f"The expression contains too many operators; operator count: {operators}")
    problem = _first_error(actions, sections, names)
    if problem:
        raise InvalidExpression(problem)
    order = {"SET": 0, "REMOVE": 1, "ADD": 2, "DELETE": 3}
    steps: list[Step] = [(action.section, action.path, None if action.operand is None else compute(action.operand)) for action in actions]
    steps.sort(key=lambda step: order[step[0]])
    paths = [action.path for action in actions]
    deep = any(len(action.path) > 1 or isinstance(action.operand, PathOperand | FunctionOperand) for action in actions)
    return Update(steps, paths, frozenset(str(path[0]) for path in paths), deep)


def _parse_action(section: str, cursor: Cursor, names: Names, types: ValueTypes) -> Action:
    if cursor.keyword(*_SECTIONS):
        cursor.fail()
    path = parse_path(cursor, names)
    if section == "REMOVE":
        return Action(section, path, None)
    if section == "SET":
        cursor.expect("=")
        return Action(section, path, _parse_value(cursor, names, types))
    if cursor.token.kind != "value":
        cursor.fail()
    return Action(section, path, types.operand(cursor.advance().text))


def _parse_value(cursor: Cursor, names: Names, types: ValueTypes) -> Operand:
    """An operand, or two with `+` or `-` between them, with or without parentheses."""
    if cursor.symbol("("):
        cursor.descend()
        left = _parse_value(cursor, names, types)
        cursor.expect(")")
        cursor.ascend()
    else:
        left = parse_operand(cursor, names, types, _SECTIONS)
    if cursor.token.kind == "symbol" and cursor.token.text in ("+", "-") and not isinstance(left, Arithmetic):
        operator = cursor.advance().text
        return Arithmetic(operator, left, parse_argument(cursor, names, types, _SECTIONS))
    return left


def _first_error(actions: list[Action], sections: list[str], names: Names) -> str | None:
    """The gravest error: AWS looks for these kinds one after another over the whole expression."""
    operands = [action.operand for action in actions if action.operand is not None]
    return (
        names.reserved
        or next(filter(None, map(_unknown_function, operands)), None)
        or next((_section_twice(s) for at, s in enumerate(sections) if s in sections[:at]), None)
        or names.undefined
        or next(filter(None, map(undefined_value, operands)), None)
        or _clash(actions)
        or next(filter(None, map(_set_operand_error, actions)), None)
        or next(filter(None, map(_function_error, operands)), None)
    )


def _count_operators(operand: Operand | None) -> int:
    """`+`, `-` and functions."""
    if isinstance(operand, Arithmetic):
        return 1 + _count_operators(operand.left) + _count_operators(operand.right)
    if isinstance(operand, FunctionOperand):
        return 1 + sum(map(_count_operators, operand.arguments))
    return 0


def _section_twice(section: str) -> str:
    return f'The "{section}" section can only be used once in an update expression;'


def _clash(actions: list[Action]) -> str | None:
    seen: list[Path] = []
    conflict = None
    for action in actions:
        clash = find_clash(action.path, seen)
        if clash and "overlap" in clash:
            return clash
        conflict = conflict or clash
        seen.append(action.path)
    return conflict


def _unknown_function(operand: Operand) -> str | None:
    if isinstance(operand, FunctionOperand):
        for argument in operand.arguments:
            if problem := _unknown_function(argument):
                return problem
        if operand.name in ("if_not_exists", "list_append"):
            return None
        if operand.name in ("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"):
            return f"The function is not allowed in an update expression; function: {operand.name}"
        return f"Invalid function name; function: {operand.name}"
    if isinstance(operand, Arithmetic):
        return _unknown_function(operand.left) or _unknown_function(operand.right)
    return None


def _set_operand_error(action: Action) -> str | None:
    """ADD takes numbers and sets, DELETE sets."""
    if action.section not in ("ADD", "DELETE") or not isinstance(action.operand, ValueOperand):
        return None
    kind = action.operand.kind
    if kind is None or kind in SETS or (kind == "N" and action.section == "ADD"):
        return None
    return (
        f"Incorrect operand type for operator or function; operator: {action.section}, operand type: {TYPE_WORDS[kind]}, "
        f"typeSet: ALLOWED_FOR_{action.section}_OPERAND"
    )


def _function_error(operand: Operand) -> str | None:
    if isinstance(operand, FunctionOperand):
        for argument in operand.arguments:
            if problem := _function_error(argument):
                return problem
        if len(operand.arguments) != 2:
            return operand_count_error(operand.name, len(operand.arguments))
        if operand.name == "if_not_exists":
            if not isinstance(operand.arguments[0], PathOperand):
                return path_required_error(operand.name)
            return distinct_error(operand.name, operand.arguments[0], operand.arguments[1:])
        return _wrong_type(operand.name, operand.arguments, "L")
    if isinstance(operand, Arithmetic):
        for side in (operand.left, operand.right):
            if problem := _function_error(side):
                return problem
        return _wrong_type(operand.operator, [operand.left, operand.right], "N")
    return None


def _wrong_type(name: str, operands: list[Operand], allowed: str) -> str | None:
    for operand in operands:
        kind = constant_type(operand)
        if isinstance(operand, FunctionOperand) and operand.name == "list_append":
            kind = "L"
        if kind is not None and kind != allowed:
            return operand_type_error(name, kind)
    return None


def compute(operand: Operand) -> Compute:
    if isinstance(operand, ValueOperand):
        placeholder = operand.placeholder
        return lambda item, values: values[placeholder]
    if isinstance(operand, PathOperand):
        path = operand.path

        def read(item: Item, values: Values) -> Value:
            value = lookup(item, path)
            if value is None:
                raise errors.no_such_attribute()
            return value

        return read
    if isinstance(operand, Arithmetic):
        calculate = numbers.add if operand.operator == "+" else numbers.subtract
        left, right = compute(operand.left), compute(operand.right)

        def arithmetic(item: Item, values: Values) -> Value:
            first, second = left(item, values).get("N"), right(item, values).get("N")
            if first is None or second is None:
                raise errors.incorrect_operand()
            return {"N": calculate(first, second)}

        return arithmetic
    if operand.name == "if_not_exists":
        assert isinstance(operand.arguments[0], PathOperand)
        wanted, otherwise = operand.arguments[0].path, compute(operand.arguments[1])

        def if_not_exists(item: Item, values: Values) -> Value:
            value = lookup(item, wanted)
            return otherwise(item, values) if value is None else value

        return if_not_exists
    head, tail = compute(operand.arguments[0]), compute(operand.arguments[1])

    def list_append(item: Item, values: Values) -> Value:
        first, second = head(item, values).get("L"), tail(item, values).get("L")
        if first is None or second is None:
            raise errors.incorrect_operand()
        return {"L": first + second}

    return list_append
