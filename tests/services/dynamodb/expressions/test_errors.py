"""What is wrong with an expression, in AWS's words: a table of (parameter, text, sentence)."""

from __future__ import annotations

from typing import Any

import pytest

from groundcloud.base.errors import AwsError
from groundcloud.services.dynamodb.expressions import read_expressions

NAMES = {"#a": "a", "#b": "b.c", "#s": "size"}
VALUES: dict[str, Any] = {
    ":n": {"N": "1"}, ":m": {"N": "2"}, ":s": {"S": "x"}, ":t": {"S": "SS"}, ":l": {"L": []}, ":o": {"M": {}}, ":ss": {"SS": ["a"]},
    ":z": {"BOOL": True}, ":b": {"B": "AAE="},
}  # fmt: skip

CONDITION = "ConditionExpression"
UPDATE = "UpdateExpression"
PROJECTION = "ProjectionExpression"
KEY = "KeyConditionExpression"


def refusal_of(**request: Any) -> str:
    with pytest.raises(AwsError) as refusal:
        read_expressions(request)
    assert refusal.value.code == "ValidationException"
    return refusal.value.message


def complaint(parameter: str, text: str) -> str:
    """The complaint about one expression alone, with every placeholder at hand; unused ones do not count."""
    message = refusal_of(**{parameter: text, "ExpressionAttributeNames": dict(NAMES), "ExpressionAttributeValues": dict(VALUES)})
    prefix = f"Invalid {parameter}: "
    assert message.startswith(prefix), message
    return message[len(prefix) :]


@pytest.mark.parametrize(
    ("parameter", "text", "token", "near"),
    [
        (CONDITION, "a", "<EOF>", "a"),
        (CONDITION, "a = ", "<EOF>", "="),
        (CONDITION, "a = :n AND", "<EOF>", "AND"),
        (CONDITION, "a == :n", "=", "== :n"),
        (CONDITION, "(a = :n", "<EOF>", ":n"),
        (CONDITION, "a = :n)", ")", ":n)"),
        (CONDITION, "a IN :n", ":n", "IN :n"),
        (CONDITION, "a BETWEEN :n OR :m", "OR", ":n OR :m"),
        (CONDITION, "a != :n", "!", "a !="),
        (CONDITION, "a-b = :n", "-", "a-b"),
        (CONDITION, "NOT", "<EOF>", "NOT"),
        (CONDITION, "a = (b = :n)", "=", "b = :n"),
        (CONDITION, "size(a)[1] = :n", "[", ")[1"),
        (CONDITION, "a[b] = :n", "b", "[b]"),
        (CONDITION, "a.0 = :n", "0", ".0 ="),
        (CONDITION, "1a = :n", "1", "1a"),
        (UPDATE, "a = :n", "a", "a ="),
        (UPDATE, "SET", "<EOF>", "SET"),
        (UPDATE, "SET a", "<EOF>", "a"),
        (UPDATE, "SET a = :n,", "<EOF>", ","),
        (UPDATE, "SET a = :n :m", ":m", ":n :m"),
        (UPDATE, "SET a = :n + :m + :n", "+", ":m + :n"),
        (UPDATE, "ADD a b", "b", "a b"),
        (UPDATE, "REMOVE a = :n", "=", "a = :n"),
        (UPDATE, "DELETE a", "<EOF>", "a"),
        (PROJECTION, "a,", "<EOF>", ","),
        (PROJECTION, "a b", "b", "a b"),
        (PROJECTION, "a..b", ".", "..b"),
        (PROJECTION, ":n", ":n", ":n"),
    ],
)
def test_a_syntax_error_names_the_token_and_what_is_around_it(parameter: str, text: str, token: str, near: str) -> None:
    assert complaint(parameter, text) == f'Syntax error; token: "{token}", near: "{near}"'


@pytest.mark.parametrize(
    ("parameter", "text", "sentence"),
    [
        (CONDITION, "", "The expression can not be empty;"),
        (CONDITION, "a" * 4097, "Expression size has exceeded the maximum allowed size; expression size: 4097"),
        (CONDITION, "((a = :n))", "The expression has redundant parentheses;"),
        (CONDITION, "((a)) = :n", "The expression has redundant parentheses;"),
        (CONDITION, "a = ((:n))", "The expression has redundant parentheses;"),
        (CONDITION, "foo(a)", "Invalid function name; function: foo"),
        (CONDITION, "Size(a) = :n", "Invalid function name; function: Size"),
        (CONDITION, "if_not_exists(a, b) = :n", "The function is not allowed in a condition expression; function: if_not_exists"),
        (CONDITION, "size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        (CONDITION, "NOT size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        (CONDITION, "contains(a, :s) = :n", "The function is not allowed to be used this way in an expression; function: contains"),
        (CONDITION, "size(contains(a, :s)) = :n", "The function is not allowed to be used this way in an expression; function: contains"),
        (CONDITION, "name = :n", "Attribute name is a reserved keyword; reserved keyword: name"),
        (CONDITION, "a.Status = :n", "Attribute name is a reserved keyword; reserved keyword: Status"),
        (CONDITION, "#x = :n", "An expression attribute name used in the document path is not defined; attribute name: #x"),
        (CONDITION, "a = :x", "An expression attribute value used in expression is not defined; attribute value: :x"),
        (CONDITION, "size(:x) = :n", "An expression attribute value used in expression is not defined; attribute value: :x"),
        (CONDITION, "attribute_exists(a, b)", "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2"),
        (CONDITION, "size(a, b) = :n", "Incorrect number of operands for operator or function; operator or function: size, number of operands: 2"),
        (CONDITION, "attribute_exists(:n)", "Operator or function requires a document path; operator or function: attribute_exists"),
        (CONDITION, "begins_with(a, :n)", "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"),
        (CONDITION, "begins_with(:l, :s)", "Incorrect operand type for operator or function; operator or function: begins_with, operand type: L"),
        (CONDITION, "attribute_type(a, :n)", "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N"),
        (CONDITION, "attribute_type(a, b)", "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}"),
        (CONDITION, "attribute_type(a, :s)", "Invalid attribute type name found; type: x, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"),
        (CONDITION, "size(:n) = a", "Incorrect operand type for operator or function; operator or function: size, operand type: N"),
        (CONDITION, "a < :l", "Incorrect operand type for operator or function; operator or function: <, operand type: L"),
        (CONDITION, "a BETWEEN :z AND :z", "Incorrect operand type for operator or function; operator or function: BETWEEN, operand type: BOOL"),
        (CONDITION, "a BETWEEN :m AND :n", "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}"),
        (CONDITION, "a BETWEEN :n AND :s", "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:x}"),
        (CONDITION, "a = #a", "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]"),
        (CONDITION, "contains(a[1].b, #a[1].b)", "The first operand must be distinct from the remaining operands for this operator or function; operator: contains, first operand: [a, [1], b]"),
        (CONDITION, "a IN (" + ", ".join([":n"] * 101) + ")", "The IN operator is provided with too many operands; number of operands: 101"),
        (CONDITION, "a" + ".a" * 32 + " = :n", "The document path has too many nesting elements; nesting levels: 33"),
        (UPDATE, "SET a = :n SET c = :n", 'The "SET" section can only be used once in an update expression;'),
        (UPDATE, "set a = :n REMOVE c remove d", 'The "REMOVE" section can only be used once in an update expression;'),
        (UPDATE, "SET " + ",".join(f"a{at}=c+:n" for at in range(301)), "The expression contains too many operators; operator count: 301"),
        (UPDATE, "SET abort = :n", "Attribute name is a reserved keyword; reserved keyword: abort"),
        (UPDATE, "SET a = foo(c)", "Invalid function name; function: foo"),
        (UPDATE, "SET a = size(c)", "The function is not allowed in an update expression; function: size"),
        (UPDATE, "SET a = :x", "An expression attribute value used in expression is not defined; attribute value: :x"),
        (UPDATE, "SET #x = :n", "An expression attribute name used in the document path is not defined; attribute name: #x"),
        (UPDATE, "SET a = :n, #a = :n", "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"),
        (UPDATE, "SET a.b[1] = :n REMOVE a.b", "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b, [1]], path two: [a, b]"),
        (UPDATE, "SET a.b = :n REMOVE a[1]", "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [1]]"),
        (UPDATE, "ADD a :s", "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        (UPDATE, "ADD a :l", "Incorrect operand type for operator or function; operator: ADD, operand type: LIST, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        (UPDATE, "DELETE a :n", "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
        (UPDATE, "SET a = :s + :n", "Incorrect operand type for operator or function; operator or function: +, operand type: S"),
        (UPDATE, "SET a = c - :l", "Incorrect operand type for operator or function; operator or function: -, operand type: L"),
        (UPDATE, "SET a = list_append(c, :n)", "Incorrect operand type for operator or function; operator or function: list_append, operand type: N"),
        (UPDATE, "SET a = list_append(c)", "Incorrect number of operands for operator or function; operator or function: list_append, number of operands: 1"),
        (UPDATE, "SET a = if_not_exists(:n, c)", "Operator or function requires a document path; operator or function: if_not_exists"),
        (UPDATE, "SET a = if_not_exists(c, c)", "The first operand must be distinct from the remaining operands for this operator or function; operator: if_not_exists, first operand: [c]"),
        (PROJECTION, "", "The expression can not be empty;"),
        (PROJECTION, "a, abort", "Attribute name is a reserved keyword; reserved keyword: abort"),
        (PROJECTION, "a.b, a", "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a]"),
        (PROJECTION, "a[1], a.b", "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, [1]], path two: [a, b]"),
    ],
)  # fmt: skip
def test_an_error_has_the_sentence_of_aws(parameter: str, text: str, sentence: str) -> None:
    used_values = {placeholder: value for placeholder, value in VALUES.items() if placeholder in text}
    used_names = {placeholder: name for placeholder, name in NAMES.items() if placeholder in text}
    request: dict[str, Any] = {parameter: text}
    if used_values:
        request["ExpressionAttributeValues"] = used_values
    if used_names:
        request["ExpressionAttributeNames"] = used_names
    assert refusal_of(**request) == f"Invalid {parameter}: {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = :n OR c = :n", "Invalid operator used in KeyConditionExpression: OR"),
        ("NOT a = :n", "Invalid operator used in KeyConditionExpression: NOT"),
        ("a <> :n", "Invalid operator used in KeyConditionExpression: <>"),
        ("a IN (:n)", "Invalid operator used in KeyConditionExpression: IN"),
        ("contains(a, :n)", "Invalid operator used in KeyConditionExpression: contains"),
        ("attribute_exists(a) AND c = :n", "Invalid operator used in KeyConditionExpression: attribute_exists"),
        ("size(a) = :n", "KeyConditionExpressions cannot contain nested operations"),
        ("a = :n AND a > :n", "KeyConditionExpressions must only contain one condition per key"),
        ("a = c AND d = :n", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
        ("a.b = :n", "KeyConditionExpressions cannot have conditions on nested attributes"),
        (":n = :n", "Invalid condition in KeyConditionExpression: No key attribute specified"),
        (
            ":n BETWEEN a AND c",
            "Invalid condition in KeyConditionExpression: BETWEEN operator must have the key attribute as its first operand",
        ),
    ],
)
def test_a_key_condition_is_more_narrow(text: str, sentence: str) -> None:
    used = {placeholder: value for placeholder, value in VALUES.items() if placeholder in text}
    assert refusal_of(KeyConditionExpression=text, ExpressionAttributeValues=used) == sentence


def test_placeholders_must_be_used_defined_and_well_formed() -> None:
    assert (
        refusal_of(ConditionExpression="a = :n", ExpressionAttributeValues={":n": {"N": "1"}, ":x": {"S": ""}, ":y": {"S": ""}})
        == "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x, :y}"
    )
    assert (
        refusal_of(ProjectionExpression="a", ExpressionAttributeNames={"#b": "b"})
        == "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"
    )
    assert refusal_of(ProjectionExpression="a", ExpressionAttributeNames={}) == "ExpressionAttributeNames must not be empty"
    assert refusal_of(UpdateExpression="SET a = :n", ExpressionAttributeValues={}) == "ExpressionAttributeValues must not be empty"
    assert (
        refusal_of(ProjectionExpression="a", ExpressionAttributeNames={"b": "b"})
        == 'ExpressionAttributeNames contains invalid key: Syntax error; key: "b"'
    )
    assert (
        refusal_of(UpdateExpression="SET a = :n", ExpressionAttributeValues={"n": {"N": "1"}})
        == 'ExpressionAttributeValues contains invalid key: Syntax error; key: "n"'
    )
    assert (
        refusal_of(UpdateExpression="SET a = :n", ExpressionAttributeValues={":n": {"N": "x"}})
        == "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x for key :n"
    )


def test_an_expression_of_any_depth_ends_in_an_answer() -> None:
    deep = "(" * 2000 + "a" + ")" * 2000
    assert "Invalid ConditionExpression" in refusal_of(ConditionExpression=deep)
    assert "Invalid ConditionExpression" in refusal_of(ConditionExpression="NOT " * 1000 + "attribute_exists(a)")
    assert "Invalid UpdateExpression" in refusal_of(UpdateExpression="SET a = " + "(" * 2000 + "c" + ")" * 2000)
    assert "Invalid ConditionExpression" in refusal_of(ConditionExpression="size(" * 800 + "a" + ")" * 800 + " = a")
