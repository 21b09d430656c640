"""Filter patterns against messages, by tables. Source of many cases: the user guide's "Filter pattern syntax"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.logs.patterns import PatternError, compiled

ACCESS = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
EVENT = (
    '{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],'
    ' "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true,'
    ' "latency": 500.5, "errorCode": 400, "cluster.name": "c", "text": "200", "user": {"id": 1, "email": "John.Stiles@example.com"},'
    ' "coordinates": [[0, 1, 2], [4, 5, 6]], "actions": ["GET", "PUT", "DELETE"]}'
)


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        (" ", "anything", True),
        ("ERROR", "[ERROR] A fatal exception", True),
        ("ERROR", "Exiting with ERRORCODE: -1", True),
        ("ERROR", "error", False),
        ('"ERROR" -"Exiting"', "Exiting with ERRORCODE: -1", False),
        ("ERROR -Exiting", "[ERROR] A fatal exception", True),
        ("ERROR Exception", "[ERROR] Unhandled Exception", True),
        ("ERROR Exception", "[ERROR] Unhandled", False),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"INTERNAL ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", False),
        ("?ERROR ?WARN", "WARN message", True),
        ("?ERROR ?WARN", "INFO message", False),
        ("?ERROR ?WARN -message", "INFO text", True),
        ('?"a b" ?c', "x a b", True),
        (r'"say \"hi\""', 'they say "hi" now', True),
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", True),
        (r"%\d{3} [a-z]+%", "code 404 not", True),
        (r"%^ERROR%", "an ERROR", False),
        (r"%colou?r%", "the color", True),
        (r"%\x28x\x29%", "f(x)", True),
        (r"%gray|grey% -blue", "grey", True),
        ("-INFO", "WARN", True),
        ("-INFO", "INFO", False),
    ],
)
def test_terms(pattern, message, matches):
    assert compiled(pattern).matches(message) is matches


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code]", False),
        ("[..., status_code, bytes]", True),
        ("[ip, user, ..., status_code, bytes]", True),
        ("[ip, user, ...]", True),
        ("[a, b, c, d, e, f, g, ...]", True),
        ("[a, b, c, d, e, f, g, h, ...]", False),
        ("[..., bytes > 1000]", True),
        ("[..., bytes > 1534]", False),
        ("[..., bytes >= 1534]", True),
        ("[..., status_code = 4*, bytes]", True),
        ("[..., status_code = 4* && status_code != 403, bytes]", True),
        ("[..., status_code = 4* && status_code != 404, bytes]", False),
        ("[..., status_code = 404 || status_code = 410, bytes]", True),
        ("[..., (status_code = 500 || status_code = 404) && status_code > 0, bytes]", True),
        ("[ip, user, username, timestamp, request = *html*, status_code = 4*, bytes]", True),
        ("[..., request=*.html*, status_code=4*,]", True),
        ('[..., request = "GET /index.html HTTP/1.0", status, bytes]', True),
        ('[..., request != "GET*", status, bytes]', False),
        (r"[ip = %127\.0\.0\.[1-9]%, ...]", True),
        (r"[ip != %127%, ...]", False),
        ("[ip=!127*, ...]", False),
        ("[ip = 127.0.0.1, ...]", True),
        ("[..., timestamp = 10/Oct*, request, status, bytes]", True),
        ("[ip < 5, ...]", False),
        ("[...]", True),
    ],
)
def test_space_delimited_fields(pattern, matches):
    assert compiled(pattern).matches(ACCESS) is matches


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{$.eventType=UpdateTrail}", True),
        ('{ $.eventType != "UpdateTrail" }', False),
        ('{ $.eventType = "*Trail" }', True),
        ('{ $.eventType = "Update*" }', True),
        ('{ $.eventType = "*date*" }', True),
        ('{ $.eventType = "Up*Trail" }', False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress = 111.111.* }", True),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[2] = "value" }', False),
        ('{ $.arrayKey[*] = "another value" }', True),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.eventType IS NULL }", False),
        ("{ $.SomeOtherObject IS NULL }", False),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.SomeObject NOT EXISTS }", False),
        ("{ $.user NOT EXISTS }", False),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ("{ $.latency > 500 }", True),
        ("{ $.latency >= 500.5 }", True),
        ("{ $.latency < 10e3 }", True),
        ("{ $.latency < 10e-3 }", False),
        ("{ $.latency > +1000 }", False),
        ("{ $.latency = * }", True),
        ("{ $.nothing = * }", False),
        ("{ $.nothing != 5 }", False),
        ("{ $.errorCode = 400 }", True),
        ("{ $.errorCode = 4* }", True),
        ("{ $.errorCode != 500 }", True),
        ("{ $.errorCode = %^4\\d\\d$% }", True),
        ("{ $.text = 200 }", True),
        ("{ $.arrayKey = 1 }", False),
        ("{ $.arrayKey != 1 }", False),
        ("{ $.['cluster.name'] = c }", True),
        ('{ ($.user.id = 1) && ($.actions[0] = "GET") }', True),
        ('{ ($.user.id = 2 && $.actions[0] = "nonmatch") || $.actions[2] = "GET" }', False),
        ('{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }', True),
        ('{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }', False),
    ],
)
def test_json(pattern, matches):
    assert compiled(pattern).matches(EVENT) is matches


def test_a_message_that_is_no_json_matches_no_json_pattern():
    for message in ("plain", "{broken", "[1]", ""):
        assert not compiled("{ $.a NOT EXISTS }").matches(message)
    assert compiled("{ $.a NOT EXISTS }").matches(' {"b": 1}')


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("foo-bar", "Invalid character(s) in term 'foo-bar'"),
        ("a@b", "Invalid character(s) in term 'a@b'"),
        ('""', "Invalid character(s) in term '\"\"'"),
        ('"open', "Invalid character(s) in term '\"open'"),
        ("{ $.a = 1", "If a filter pattern starts with '{' it must end with '}'"),
        ("[a, b", "If a filter pattern starts with '[' it must end with ']'"),
        ("{ a = 1 }", "Invalid character(s) in term 'a'"),
        ("{ $.a }", "Invalid character(s) in term '$.a'"),
        ("{ $.a = 1 $.b = 2 }", "Invalid character(s) in term '$.b'"),
        ("{ }", "Invalid character(s) in term ''"),
        ("{ $.a ~ 1 }", "Invalid character(s) in term '~'"),
        ("{ $.a > x }", "Invalid character(s) in term 'x'"),
        ("%a(b)%", "Invalid character(s) in term '%a(b)%'"),
        ("%a", "Invalid character(s) in term '%a'"),
        ("[a = é]", "Invalid character(s) in term 'é'"),
        ("[..., a, ...]", "Invalid filter pattern"),
        ("[a = 1 && b = 2]", "Invalid filter pattern"),
        ("{ $.a = %x% || $.b = %y% || $.c = %z% }", "Invalid filter pattern"),
        ("{ " + "(" * 60 + "$.a = 1" + ")" * 60 + " }", "Invalid filter pattern"),
    ],
)
def test_what_is_no_pattern_is_refused_in_aws_words(pattern, sentence):
    with pytest.raises(PatternError) as caught:
        compiled(pattern)
    assert (caught.value.code, caught.value.message) == ("InvalidParameterException", sentence)


def test_fields_are_extracted_by_name_or_number():
    found = compiled("[..., request=*.html*, status_code=4*,]").extract(ACCESS)
    assert found == {
        "$1": "127.0.0.1",
        "$2": "-",
        "$3": "frank",
        "$4": "10/Oct/2000:13:25:15 -0700",
        "$request": "GET /index.html HTTP/1.0",
        "$status_code": "404",
        "$7": "1534",
    }
    assert compiled('{ $.errorCode = 4* && $.user.email = "*" && $.none NOT EXISTS }').extract(EVENT) == {
        "$.errorCode": "400",
        "$.user.email": "John.Stiles@example.com",
    }


@given(st.text(alphabet='{}[]().$"%=!<>&|,*\\ ab1-?', max_size=40), st.text(max_size=30))
def test_any_text_is_a_pattern_or_refused(pattern, message):
    try:
        found = compiled(pattern)
    except PatternError:
        return
    assert found.matches(message) in (True, False)
