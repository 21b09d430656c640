"""Event patterns of EventBridge, compiled: pattern and event in, yes or no out. Lambda's event filters, SNS's filter policies on bodies and Pipes speak the same.

Theory. An event is a tree; its leaves are strings, numbers, true, false and null. Arrays are no level of their own: a rule for `a.b` looks into every element of `a`.
A pattern matches if one choice of array elements satisfies all its rules at once, so an object below an array must meet its rules by itself. What is absent has no
leaf: a member that is missing, an object, an empty array; `{"exists": false}` is true where the whole event has no leaf at that path.

Source: EventBridge user guide, "Comparison operators for use in event patterns"; the sentences are those that PutRule answers with.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

from groundcloud.base.json_tokens import Token, Tokens

Match = Callable[[Any, Any], bool]
"""(a value of the event, the whole event) -> whether it meets the rules."""

Leaf = Callable[[Any], bool]
Path = tuple[str, ...]

NUMBER_MAX = 5e9
"""AWS: numeric matching works between -5.0e9 and 5.0e9."""

_RESERVED = {"exactly", "prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "cidr", "exists", "wildcard"}


class _Absent:
    pass


_ABSENT: Any = _Absent()


class Pattern:
    """One pattern, compiled. Raises JsonError (a ValueError) in AWS's words for what is none."""

    __slots__ = ("_match", "exact")

    def __init__(self, text: str) -> None:
        tokens = Tokens(text)
        if tokens.next().kind != "{":
            raise tokens.error("Filter is not an object")
        self.exact: dict[str, frozenset[str]] = {}
        """Members at the top that must be one of some strings: what an index over many patterns may go by."""
        self._match = _object(tokens, (), self.exact)

    def matches(self, event: Any) -> bool:
        return self._match(event, event)


def _object(tokens: Tokens, path: Path, exact: dict[str, frozenset[str]] | None = None) -> Match:
    """The rules of an object whose brace has been read."""
    members: dict[str, Match] = {}
    choices: list[list[Match]] = []
    if tokens.peek().kind == "}":
        tokens.next()
        raise tokens.error("Empty objects are not allowed")
    while tokens.next().kind == "name":
        name = tokens.last.value
        kind = tokens.next().kind
        if name == "$or" and kind == "[" and _is_choice(tokens):
            choices.append(_choice(tokens, path))
        elif kind == "{":
            members[name] = _below(_object(tokens, (*path, name)))
        elif kind == "[":
            members[name], strings = _rules(tokens, (*path, name))
            if exact is not None:
                exact.pop(name, None)
                if strings:
                    exact[name] = strings
        else:
            raise tokens.error(f'"{name}" must be an object or an array')
    pairs = tuple(members.items())
    if not choices:
        if len(pairs) == 1:
            ((only, rule),) = pairs
            return lambda value, event: rule(value.get(only, _ABSENT) if isinstance(value, dict) else _ABSENT, event)

        def plain(value: Any, event: Any) -> bool:
            if not isinstance(value, dict):
                value = {}
            for name, rule in pairs:  # noqa: SIM110 (a generator would cost twice as much)
                if not rule(value.get(name, _ABSENT), event):
                    return False
            return True

        return plain

    def matches(value: Any, event: Any) -> bool:
        found = value if isinstance(value, dict) else {}
        return all(rule(found.get(name, _ABSENT), event) for name, rule in pairs) and all(
            any(one(value, event) for one in choice) for choice in choices
        )

    return matches


def _below(rules: Match) -> Match:
    """An object's rules, for a value that may be an array of such objects."""

    def matches(value: Any, event: Any) -> bool:
        if not isinstance(value, list):
            return rules(value, event)
        empty = True
        for element in _flat(value):
            if rules(element, event):
                return True
            empty = False
        return empty and rules(_ABSENT, event)

    return matches


def _is_choice(tokens: Tokens) -> bool:
    """Whether the array that begins here holds alternatives; AWS: otherwise `$or` is a member's name like any other."""
    start = tokens.mark()
    last = tokens.last
    try:
        while tokens.peek().kind != "]":
            if tokens.peek().kind == "{":
                mark = tokens.mark()
                tokens.next()
                if tokens.peek().kind != "name" or tokens.peek().value in _RESERVED:
                    return False
                tokens.go_back(mark)
            tokens.skip_value()
        return True
    finally:
        tokens.go_back(start)
        tokens.last = last


def _choice(tokens: Tokens, path: Path) -> list[Match]:
    choices = []
    while tokens.next().kind != "]":
        if tokens.last.kind != "{":
            raise tokens.error("Only JSON object is allowed in array of '$or' relationship.")
        choices.append(_object(tokens, path))
    if len(choices) < 2:
        raise tokens.error("There must have at least 2 Objects in '$or' relationship.")
    return choices


def _rules(tokens: Tokens, path: Path) -> tuple[Match, frozenset[str]]:
    """An array of rules, of which one must hold; and its strings, if it has nothing else."""
    strings: set[str] = set()
    others: list[Leaf] = []
    absent = False
    count = 0
    while tokens.next().kind != "]":
        count += 1
        token = tokens.last
        if token.kind == "string":
            strings.add(token.value)
        elif token.kind in ("number", "literal"):
            others.append(_exactly(token.value))
        elif token.kind == "{":
            rule = _expression(tokens)
            if rule is None:
                absent = True
            else:
                others.append(rule)
        else:
            raise tokens.error("Match value must be String, number, true, false, or null")
    if not count:
        raise tokens.error("Empty arrays are not allowed")
    texts = frozenset(strings)
    if not others and not absent:
        return _one_of(texts), texts

    def is_leaf(value: Any) -> bool:
        if isinstance(value, str) and value in texts:
            return True
        return any(rule(value) for rule in others)

    present = _some_leaf(is_leaf)
    if not absent:
        return present, frozenset()

    def matches(value: Any, event: Any) -> bool:
        return present(value, event) or next(_leaves(event, path), _ABSENT) is _ABSENT

    return matches, frozenset()


def _one_of(texts: frozenset[str]) -> Match:
    def matches(value: Any, event: Any) -> bool:
        if isinstance(value, str):
            return value in texts
        return isinstance(value, list) and any(isinstance(element, str) and element in texts for element in _flat(value))

    return matches


def _some_leaf(rule: Leaf) -> Match:
    def matches(value: Any, event: Any) -> bool:
        if isinstance(value, list):
            return any(rule(element) for element in _flat(value) if not isinstance(element, dict))
        return value is not _ABSENT and not isinstance(value, dict) and rule(value)

    return matches


def _flat(values: list[Any]) -> Iterator[Any]:
    """The elements of an array and of the arrays in it."""
    waiting = [iter(values)]
    while waiting:
        for element in waiting[-1]:
            if isinstance(element, list):
                waiting.append(iter(element))
                break
            yield element
        else:
            waiting.pop()


def _leaves(value: Any, path: Path) -> Iterator[Any]:
    """Every leaf of the event at a path."""
    for element in _flat([value]):
        if path:
            if isinstance(element, dict) and path[0] in element:
                yield from _leaves(element[path[0]], path[1:])
        elif not isinstance(element, dict):
            yield element


# Rules about one leaf


def _expression(tokens: Tokens) -> Leaf | None:
    """A rule like {"prefix": "x"} whose brace has been read; None for {"exists": false}."""
    if tokens.next().kind != "name":
        raise tokens.error("Match expression name not found")
    operator = tokens.last.value
    if operator == "exists":
        token = tokens.next()
        if token.value is not True and token.value is not False:
            raise tokens.error("exists match pattern must be either true or false.")
        _end(tokens)
        return (lambda leaf: True) if token.value else None
    make = _OPERATORS.get(operator)
    if make is None:
        raise tokens.error(f"Unrecognized match type {operator}")
    rule = make(tokens)
    _end(tokens)
    return rule


def _end(tokens: Tokens) -> None:
    if tokens.next().kind != "}":
        raise tokens.error("Only one key allowed in match expression")


def _exactly(wanted: Any) -> Leaf:
    if isinstance(wanted, bool) or wanted is None:
        return lambda leaf: leaf is wanted
    if isinstance(wanted, str):
        return lambda leaf: isinstance(leaf, str) and leaf == wanted
    return lambda leaf: _is_number(leaf) and bool(leaf == wanted)


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, (int, float)) and not isinstance(leaf, bool)


def _texts(tokens: Tokens, operator: str, *, listed: bool = False) -> list[str]:
    """The operand of an operator on strings: one, or where `listed` an array of them."""
    token = tokens.next()
    if token.kind == "string":
        return [token.value]
    if not listed or token.kind != "[":
        raise tokens.error(f"{operator} match pattern must be a string")
    found = []
    while tokens.next().kind != "]":
        if tokens.last.kind != "string":
            raise tokens.error(f"Inside anything-but/{operator} list, number|start|null|boolean is not supported.")
        found.append(tokens.last.value)
    if not found:
        raise tokens.error("Empty arrays are not allowed")
    return found


def _equal(tokens: Tokens) -> Leaf:
    (wanted,) = _texts(tokens, "exactly")
    return _exactly(wanted)


def _affix(operator: str, test: Callable[[str, str], bool]) -> Callable[[Tokens], Leaf]:
    def make(tokens: Tokens) -> Leaf:
        if tokens.peek().kind == "{":
            tokens.next()
            if tokens.next().kind != "name" or tokens.last.value != "equals-ignore-case":
                raise tokens.error(f"Unsupported {operator} pattern: {tokens.last.value}")
            (wanted,) = _texts(tokens, "equals-ignore-case")
            _end(tokens)
            folded = wanted.lower()
            return lambda leaf: isinstance(leaf, str) and test(leaf.lower(), folded)
        (wanted,) = _texts(tokens, operator)
        return lambda leaf: isinstance(leaf, str) and test(leaf, wanted)

    return make


def _ignore_case(tokens: Tokens) -> Leaf:
    (wanted,) = _texts(tokens, "equals-ignore-case")
    folded = wanted.lower()
    return lambda leaf: isinstance(leaf, str) and leaf.lower() == folded


def _wildcard(tokens: Tokens) -> Leaf:
    (wanted,) = _texts(tokens, "wildcard")
    return _wildcard_rule(tokens, wanted)


def _wildcard_rule(tokens: Tokens, wanted: str) -> Leaf:
    pieces = [""]
    escaped = False
    for at, character in enumerate(wanted):
        if escaped:
            if character not in "*\\":
                raise tokens.error(f"Invalid escape character at pos {at - 1}")
            pieces[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "*":
            if at and not pieces[-1] and len(pieces) > 1:
                raise tokens.error(f"Consecutive wildcard characters at pos {at - 1}")
            pieces.append("")
        else:
            pieces[-1] += character
    if escaped:
        raise tokens.error(f"Invalid escape character at pos {len(wanted) - 1}")
    if len(pieces) == 1:
        return _exactly(pieces[0])
    return pieces_in_order(pieces)


def pieces_in_order(pieces: list[str]) -> Leaf:
    """Texts that begin with the first piece, end with the last and hold those between in order: what a wildcard between them means."""
    head, middle, tail = pieces[0], pieces[1:-1], pieces[-1]

    def matches(leaf: Any) -> bool:
        if not isinstance(leaf, str) or not leaf.startswith(head) or len(leaf) < len(head) + len(tail) or not leaf.endswith(tail):
            return False
        at, end = len(head), len(leaf) - len(tail)
        for piece in middle:
            found = leaf.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    return matches


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _numeric(tokens: Tokens) -> Leaf:
    if tokens.next().kind != "[":
        raise tokens.error("Value of numeric must be an array.")
    operator = _operator(tokens, "Invalid member in numeric match: {}", "Unrecognized numeric range operator: {}", tuple(_COMPARE))
    first, low = _COMPARE[operator], _limit(tokens, operator)
    second, high = first, low
    if tokens.next().kind != "]":
        if operator == "=":
            raise tokens.error("Too many terms in numeric range expression")
        if tokens.last.kind != "string":
            raise tokens.error(f"Bad value in numeric range: {_shown(tokens.last)}")
        further = tokens.last.value
        if further not in (("<", "<=") if operator.startswith(">") else (">", ">=")):
            raise tokens.error(f"Bad numeric range operator: {further}")
        second, high = _COMPARE[further], _limit(tokens, further)
        if tokens.next().kind != "]":
            raise tokens.error("Too many terms in numeric range expression")
        if (high <= low) if operator.startswith(">") else (low <= high):
            raise tokens.error("Bottom must be less than top")
    return lambda leaf: _is_number(leaf) and first(leaf, low) and second(leaf, high)


def _operator(tokens: Tokens, no_text: str, unknown: str, known: tuple[str, ...]) -> str:
    token = tokens.next()
    if token.kind != "string":
        raise tokens.error(no_text.format(_shown(token)))
    if token.value not in known:
        raise tokens.error(unknown.format(token.value))
    return str(token.value)


def _limit(tokens: Tokens, operator: str) -> float:
    token = tokens.next()
    if token.kind != "number":
        raise tokens.error(f"Value of {'equals' if operator == '=' else operator} must be numeric")
    value: float = token.value
    if not -NUMBER_MAX <= value <= NUMBER_MAX:
        raise tokens.error(f"Value must be between {-NUMBER_MAX:.1E} and {NUMBER_MAX:.1E}, inclusive".replace("E+09", "E9"))
    return value


def _shown(token: Token) -> str:
    if token.kind in "{}[]":
        return token.kind
    return {True: "true", False: "false", None: "null"}.get(token.value, str(token.value)) if token.kind == "literal" else str(token.value)


def _cidr(tokens: Tokens) -> Leaf:
    token = tokens.next()
    if token.kind != "string":
        raise tokens.error("prefix match pattern must be a string")
    text: str = token.value
    address, slash, mask = text.partition("/")
    if "/" in mask:
        raise tokens.error("Malformed CIDR, one '/' required")
    if slash and not mask.removeprefix("-").isdecimal():
        raise tokens.error("Malformed CIDR, mask bits must be an integer")
    if mask.startswith("-"):
        raise tokens.error("Malformed CIDR, mask bits must not be negative")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise tokens.error(f"Nonstandard IP address: {address}") from None
    if slash and int(mask) > parsed.max_prefixlen:
        raise tokens.error(f"IPv{parsed.version} mask bits must be < {parsed.max_prefixlen}")
    version, shift = parsed.version, parsed.max_prefixlen - (int(mask) if slash else parsed.max_prefixlen)
    network = int(parsed) >> shift

    def matches(leaf: Any) -> bool:
        if not isinstance(leaf, str):
            return False
        try:
            found = ipaddress.ip_address(leaf)
        except ValueError:
            return False
        return found.version == version and int(found) >> shift == network

    return matches


def _anything_but(tokens: Tokens) -> Leaf:
    token = tokens.next()
    if token.kind == "{":
        return _anything_but_expression(tokens)
    if token.kind in ("string", "number"):
        rule = _exactly(token.value)
        return lambda leaf: not rule(leaf)
    if token.kind != "[":
        raise tokens.error("Inside anything but list, start|null|boolean is not supported.")
    wanted: list[Any] = []
    while tokens.next().kind != "]":
        if tokens.last.kind not in ("string", "number"):
            raise tokens.error("Inside anything but list, start|null|boolean is not supported.")
        wanted.append(tokens.last.value)
        if isinstance(wanted[0], str) is not isinstance(wanted[-1], str):
            raise tokens.error("Inside anything but list, either all values are number or string, mixed type is not supported")
    if not wanted:
        raise tokens.error("Empty arrays are not allowed")
    chosen = frozenset(wanted)
    if isinstance(wanted[0], str):
        return lambda leaf: not isinstance(leaf, str) or leaf not in chosen
    return lambda leaf: not _is_number(leaf) or leaf not in chosen


def _anything_but_expression(tokens: Tokens) -> Leaf:
    if tokens.next().kind != "name":
        raise tokens.error("Anything-But expression name not found")
    operator = tokens.last.value
    if operator not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
        raise tokens.error(f"Unsupported anything-but pattern: {operator}")
    wanted = _texts(tokens, operator, listed=True)
    rules: list[Leaf]
    if operator in ("prefix", "suffix"):
        if "" in wanted:
            raise tokens.error("Null prefix/suffix not allowed")
        affixes = tuple(wanted)
        test = str.startswith if operator == "prefix" else str.endswith
        rules = [lambda leaf: isinstance(leaf, str) and test(leaf, affixes)]
    elif operator == "equals-ignore-case":
        folded = frozenset(text.lower() for text in wanted)
        rules = [lambda leaf: isinstance(leaf, str) and leaf.lower() in folded]
    else:
        rules = [_wildcard_rule(tokens, text) for text in wanted]
    _end(tokens)
    return lambda leaf: not any(rule(leaf) for rule in rules)


_OPERATORS: dict[str, Callable[[Tokens], Leaf]] = {
    "exactly": _equal,
    "prefix": _affix("prefix", str.startswith),
    "suffix": _affix("suffix", str.endswith),
    "equals-ignore-case": _ignore_case,
    "wildcard": _wildcard,
    "numeric": _numeric,
    "cidr": _cidr,
    "anything-but": _anything_but,
}
