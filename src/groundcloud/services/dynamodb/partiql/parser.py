"""PartiQL text to a Statement, by recursive descent over its tokens."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from groundcloud.services.dynamodb import errors, numbers
from groundcloud.services.dynamodb.expressions.conditions import Comparison, Logic, Node
from groundcloud.services.dynamodb.expressions.operands import Arithmetic, FunctionOperand, Operand, PathOperand, ValueOperand
from groundcloud.services.dynamodb.expressions.paths import Path
from groundcloud.services.dynamodb.expressions.updates import Step, compute
from groundcloud.services.dynamodb.partiql.statements import Bind, Delete, Exists, Insert, Select, Statement, Update
from groundcloud.services.dynamodb.values import Value

NESTING_MAX = 60
IN_OPERANDS_MAX = 100
STATEMENTS_CACHED_MAX = 4096

_TOKEN = re.compile(
    r"(?P<space>\s+|--[^\n]*)|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<quoted>\"(?:[^\"]|\"\")*\")|(?P<text>'(?:[^']|'')*')|(?P<symbol><<|>>|<=|>=|<>|!=|[-+*()\[\]{},.:;=<>?])|(?P<other>.)",
    re.ASCII | re.DOTALL,
)
_COMPARATORS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_CONDITION_FUNCTIONS = {"attribute_type": 2, "begins_with": 2, "contains": 2, "size": 1, "attribute_exists": 1, "attribute_not_exists": 1}
_UPDATE_FUNCTIONS = {"list_append": 2, "if_not_exists": 2}
_SCALAR_WORDS = {"TRUE": {"BOOL": True}, "FALSE": {"BOOL": False}, "NULL": {"NULL": True}}
_CLAUSES = frozenset(
    [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "FROM",
        "INTO",
        "WHERE",
        "SET",
        "REMOVE",
        "RETURNING",
        "ORDER",
        "BY",
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "IS",
        "VALUE",
        "EXISTS",
        "ASC",
        "DESC",
        "MISSING",
    ]
)
_TYPE_WORDS = {
    "STRING": "S", "NUMBER": "N", "BINARY": "B", "BOOLEAN": "BOOL", "LIST": "L", "MAP": "M", "NULL": "NULL", "NUMBER_SET": "NS",
    "STRING_SET": "SS", "BINARY_SET": "BS", "S": "S", "N": "N", "B": "B", "BOOL": "BOOL", "L": "L", "M": "M", "NS": "NS", "SS": "SS", "BS": "BS",
}  # fmt: skip


class Token(NamedTuple):
    kind: str
    text: str
    start: int


@lru_cache(maxsize=STATEMENTS_CACHED_MAX)
def parse(text: str) -> Statement:
    """Raises ValidationException where `text` is no statement."""
    parser = _Parser(text)
    statement = parser.statement()
    parser.symbol(";")
    if parser.token.kind != "end":
        parser.refuse_clause()
        parser.fail("Unexpected term after the end of the statement")
    statement.parameters = parser.parameters
    return statement


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [
            Token(match.lastgroup or "other", match[0], match.start()) for match in _TOKEN.finditer(text) if match.lastgroup != "space"
        ]
        self._tokens.append(Token("end", "", len(text)))
        self._at = 0
        self._depth = 0
        self.token = self._tokens[0]
        self.parameters = 0
        self.values: dict[str, Bind] = {}

    def statement(self) -> Statement:
        if self.keyword("SELECT"):
            return self._select()
        if self.keyword("INSERT"):
            return self._insert()
        if self.keyword("UPDATE"):
            return self._update()
        if self.keyword("DELETE"):
            return self._delete()
        if self.keyword("EXISTS"):
            self.expect("(")
            self._word("SELECT")
            selected = self._select()
            self.expect(")")
            return Exists(selected.table_name, selected.index_name, selected.where, selected.values)
        self.fail("Expected SELECT, INSERT, UPDATE, DELETE or EXISTS")

    def _select(self) -> Select:
        paths: list[Path] | None = None
        if not self.symbol("*"):
            paths = [self._projected()]
            while self.symbol(","):
                paths.append(self._projected())
        self._word("FROM")
        table_name, index_name = self._table()
        if self.token.text == "," or self._stands_for("JOIN", "INNER", "LEFT", "RIGHT", "CROSS", "FULL"):
            raise errors.validation("Only select from a single table or index is supported.")
        where = self._condition() if self.keyword("WHERE") else None
        order = []
        if self.keyword("ORDER"):
            self._word("BY")
            while True:
                path = self._path()
                if len(path) > 1:
                    self.fail("Expected a key attribute after ORDER BY")
                descending = self.keyword("DESC")
                if not descending:
                    self.keyword("ASC")
                order.append((str(path[0]), descending))
                if not self.symbol(","):
                    break
        return Select(table_name, index_name, where, self.values, paths=paths, order=order)

    def _projected(self) -> Path:
        """What SELECT asks for: a path, no function."""
        if self.token.kind == "word" and self._next().text == "(":
            raise errors.validation(f"Unexpected path component{self._place()}")
        return self._path()

    def _insert(self) -> Insert:
        self._word("INTO")
        table_name, _ = self._table()
        several = self.keyword("VALUES")
        if several or (self._stands_for("VALUE") and self._next().text == "<<"):
            raise errors.validation(
                "Unsupported operation: Inserting multiple items in a single statement is not supported, "
                'use "INSERT INTO tableName VALUE item" instead'
            )
        self._word("VALUE")
        if self.token.text != "{" and self.token.text != "?":
            self.fail("Expected an item after VALUE")
        return Insert(table_name, item=self._literal())

    def _update(self) -> Update:
        table_name, _ = self._table()
        update = Update(table_name)
        while True:
            if self.keyword("SET"):
                self._assign(update)
                while self.symbol(","):
                    self._assign(update)
            elif self.keyword("REMOVE"):
                path = self._path()
                update.steps.append(("REMOVE", path, None))
                update.paths.append(path)
                while self.symbol(","):
                    path = self._path()
                    update.steps.append(("REMOVE", path, None))
                    update.paths.append(path)
            else:
                break
        if not update.steps:
            self.fail("Expected SET or REMOVE")
        self._word("WHERE")
        update.where = self._condition()
        update.returning = self._returning()
        update.values = self.values
        return update

    def _delete(self) -> Delete:
        self._word("FROM")
        table_name, _ = self._table()
        self._word("WHERE")
        where = self._condition()
        return Delete(table_name, None, where, self.values, returning=self._returning())

    def _assign(self, update: Update) -> None:
        path = self._path()
        self.expect("=")
        update.paths.append(path)
        update.steps.append(self._assigned(path))

    def _assigned(self, path: Path) -> Step:
        """`set_add` and `set_delete` are ADD and DELETE of the same path; anything else is SET."""
        for name, section in (("SET_ADD", "ADD"), ("SET_DELETE", "DELETE")):
            if self.token.kind == "word" and self.token.text.upper() == name:
                self._advance()
                self.expect("(")
                if self._path() != path:
                    self.fail(f"{name.lower()} must change the attribute that it is assigned to")
                self.expect(",")
                operand = self._operand()
                self.expect(")")
                return section, path, compute(operand)
        return "SET", path, compute(self._sum())

    def _sum(self) -> Operand:
        left = self._update_operand()
        while self.token.kind == "symbol" and self.token.text in "+-":
            operator = self._advance().text
            left = Arithmetic(operator, left, self._update_operand())
        return left

    def _update_operand(self) -> Operand:
        if self.token.kind == "word" and self._next().text == "(":
            name = self._advance().text.lower()
            if name not in _UPDATE_FUNCTIONS:
                self.fail(f"Unexpected function {name}")
            return FunctionOperand(name, self._arguments(_UPDATE_FUNCTIONS[name]))
        return self._operand()

    def _arguments(self, count: int) -> list[Operand]:
        self.expect("(")
        found = [self._sum() if count == 2 else self._operand()]
        while self.symbol(","):
            found.append(self._sum())
        self.expect(")")
        if len(found) != count:
            self.fail("Unexpected number of arguments")
        return found

    def _returning(self) -> str | None:
        if not self.keyword("RETURNING"):
            return None
        which = "ALL" if self.keyword("ALL") else "UPDATED" if self.keyword("MODIFIED") else self.fail("Expected ALL or MODIFIED")
        when = "OLD" if self.keyword("OLD") else "NEW" if self.keyword("NEW") else self.fail("Expected OLD or NEW")
        self.expect("*")
        return f"{which}_{when}"

    # Conditions

    def _condition(self) -> Node:
        nodes = [self._conjunction()]
        while self.keyword("OR"):
            nodes.append(self._conjunction())
        return nodes[0] if len(nodes) == 1 else Logic("OR", nodes)

    def _conjunction(self) -> Node:
        nodes = [self._negation()]
        while self.keyword("AND"):
            nodes.append(self._negation())
        return nodes[0] if len(nodes) == 1 else Logic("AND", nodes)

    def _negation(self) -> Node:
        if self.keyword("NOT"):
            self._descend()
            node = Logic("NOT", [self._negation()])
            self._depth -= 1
            return node
        return self._comparison()

    def _comparison(self) -> Node:
        if self.token.text == "(" and self.token.kind == "symbol":
            self._advance()
            self._descend()
            node = self._condition()
            self._depth -= 1
            self.expect(")")
            return node
        left = self._condition_operand()
        if isinstance(left, FunctionOperand) and left.name != "size":
            return Comparison(left.name, left.arguments)
        if self.token.kind == "symbol" and self.token.text in _COMPARATORS:
            operator = _COMPARATORS[self._advance().text]
            return Comparison(operator, [left, self._condition_operand()])
        negated = self.keyword("NOT")
        if self.keyword("BETWEEN"):
            low = self._condition_operand()
            self._word("AND")
            within = Comparison("BETWEEN", [left, low, self._condition_operand()])
        elif self.keyword("IN"):
            within = Comparison("IN", [left, *self._candidates()])
        elif not negated and self.keyword("IS"):
            return self._is(left)
        else:
            self.fail("Expected a comparison")
        return Logic("NOT", [within]) if negated else within

    def _candidates(self) -> list[Operand]:
        close = ")" if self.symbol("(") else "]"
        if close == "]":
            self.expect("[")
        found = [self._condition_operand()]
        while self.symbol(","):
            found.append(self._condition_operand())
        self.expect(close)
        if len(found) > IN_OPERANDS_MAX:
            raise errors.validation(f"The IN operator is provided with too many operands; number of operands: {len(found)}")
        return found

    def _is(self, subject: Operand) -> Node:
        negated = self.keyword("NOT")
        if self.keyword("MISSING"):
            return Comparison("attribute_exists" if negated else "attribute_not_exists", [subject])
        kind = _TYPE_WORDS.get(self.token.text.upper()) if self.token.kind == "word" else None
        if kind is None:
            self.fail("Expected NULL, MISSING or the name of a type after IS")
        self._advance()
        node = Comparison("attribute_type", [subject, self._constant({"S": kind})])
        return Logic("NOT", [node]) if negated else node

    def _condition_operand(self) -> Operand:
        if self.token.kind == "word" and self._next().text == "(" and self.token.text.upper() not in _CLAUSES:
            name = self._advance().text.lower()
            if name not in _CONDITION_FUNCTIONS:
                self.fail(f"Unexpected function {name}")
            self.expect("(")
            arguments = [self._condition_operand()]
            while self.symbol(","):
                arguments.append(self._condition_operand())
            self.expect(")")
            if len(arguments) != _CONDITION_FUNCTIONS[name]:
                self.fail("Unexpected number of arguments")
            return FunctionOperand(name, arguments)
        return self._operand()

    # Operands and literals

    def _operand(self) -> Operand:
        token = self.token
        if token.kind == "quoted" or (token.kind == "word" and token.text.upper() not in _SCALAR_WORDS):
            return PathOperand(self._path())
        placeholder = f":p{len(self.values)}"
        self.values[placeholder] = self._literal()
        return ValueOperand(placeholder, None)

    def _constant(self, value: Value) -> ValueOperand:
        placeholder = f":p{len(self.values)}"
        self.values[placeholder] = lambda parameters: value
        return ValueOperand(placeholder, next(iter(value)))

    def _literal(self) -> Bind:
        if self.token.kind == "end":
            self.fail("Expected a value")
        token = self._advance()
        if token.text == "?":
            position = self.parameters
            self.parameters += 1
            return lambda parameters: parameters[position]
        if token.kind == "text":
            text = token.text[1:-1].replace("''", "'")
            return lambda parameters: {"S": text}
        if token.kind == "number" or (token.text in ("-", "+") and self.token.kind == "number"):
            amount = numbers.normalize(token.text if token.kind == "number" else token.text + self._advance().text)
            return lambda parameters: {"N": amount}
        if token.kind == "word" and token.text.upper() in _SCALAR_WORDS:
            scalar: dict[str, Any] = _SCALAR_WORDS[token.text.upper()]
            return lambda parameters: dict(scalar)
        self._descend()
        bind = self._collection(token)
        self._depth -= 1
        return bind

    def _collection(self, token: Token) -> Bind:
        if token.text == "[":
            elements = self._elements("]")
            return lambda parameters: {"L": [element(parameters) for element in elements]}
        if token.text == "<<":
            members = self._elements(">>")
            return lambda parameters: _set_of([member(parameters) for member in members])
        if token.text == "{":
            pairs: list[tuple[str, Bind]] = []
            while not self.symbol("}"):
                if pairs:
                    self.expect(",")
                name = self._advance()
                if name.kind not in ("text", "quoted"):
                    self.fail("Expected the name of an attribute")
                self.expect(":")
                pairs.append((name.text[1:-1].replace("''", "'"), self._literal()))
            return lambda parameters: {"M": {name: bind(parameters) for name, bind in pairs}}
        self._at -= 1
        self.token = self._tokens[self._at]
        self.fail("Expected a value")

    def _elements(self, close: str) -> list[Bind]:
        found: list[Bind] = []
        while not self.symbol(close):
            if found:
                self.expect(",")
            found.append(self._literal())
        return found

    def _path(self) -> Path:
        steps: list[str | int] = [self._name()]
        while True:
            if self.symbol("."):
                steps.append(self._name())
            elif self.symbol("["):
                if self.token.kind != "number" or not self.token.text.isdecimal():
                    self.fail("Expected the index of an element")
                steps.append(int(self._advance().text[:18]))
                self.expect("]")
            else:
                return tuple(steps)

    def _name(self) -> str:
        token = self.token
        if token.kind == "quoted":
            return self._advance().text[1:-1].replace('""', '"')
        if token.kind == "word" and token.text.upper() not in _CLAUSES:
            return self._advance().text
        self.fail("Expected identifier for simple path")

    def _table(self) -> tuple[str, str | None]:
        table_name = self._name()
        return table_name, self._name() if self.symbol(".") else None

    # Tokens

    def keyword(self, word: str) -> bool:
        if self.token.kind == "word" and self.token.text.upper() == word:
            self._advance()
            return True
        return False

    def symbol(self, text: str) -> bool:
        if self.token.kind == "symbol" and self.token.text == text:
            self._advance()
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.symbol(text):
            self.fail(f"Expected {text}")

    def _word(self, word: str) -> None:
        if not self.keyword(word):
            self.fail(f"Expected {word}")

    def _next(self) -> Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def _advance(self) -> Token:
        token = self.token
        if token.kind != "end":
            self._at += 1
            self.token = self._tokens[self._at]
        return token

    def _descend(self) -> None:
        self._depth += 1
        if self._depth > NESTING_MAX:
            self.fail("The statement is nested too deep")

    def _stands_for(self, *words: str) -> bool:
        return self.token.kind == "word" and self.token.text.upper() in words

    def refuse_clause(self) -> None:
        """A clause of SQL that DynamoDB has none of."""
        if self._stands_for("LIMIT", "OFFSET", "GROUP", "HAVING"):
            raise errors.validation(f"Unsupported clause: {self.token.text.upper()}{self._place()}")

    def fail(self, reason: str) -> NoReturn:
        raise errors.validation(f"Statement wasn't well formed, can't be processed: {reason}{self._place()}")

    def _place(self) -> str:
        """Where the token stands: line, column, length; nothing at the end of the text."""
        if self.token.kind == "end":
            return ""
        line = self._text.count("\n", 0, self.token.start) + 1
        column = self.token.start - (self._text.rfind("\n", 0, self.token.start) + 1) + 1
        return f" at {line}:{column}:{len(self.token.text)}"


def _set_of(members: list[Value]) -> Value:
    kinds = {next(iter(member)) for member in members}
    if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
        raise errors.validation("Statement wasn't well formed, can't be processed: A set holds strings, numbers or binaries of one type")
    (kind,) = kinds
    return {f"{kind}S": [member[kind] for member in members]}
