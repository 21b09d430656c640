"""SelectObjectContent: CSV, JSON and Parquet through S3's SQL."""

from __future__ import annotations

import bz2
import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

PEOPLE = 'name,age,city\nAnn,31,Oslo\nBob,9,"New York, NY"\nCid,40,Bergen\n'
JSON_LINES = '{"id":1,"n":"a","tags":["x","y"],"in":{"deep":5}}\n{"id":2,"n":null}\n{"id":3,"n":"c","in":{"deep":"7"}}\n'


@pytest.fixture
def select(s3: Any, bucket: str) -> Any:
    """`select(body, expression, CSV={...}, ...)` -> the records as text; `.stats` of the last."""

    class Select:
        stats: dict[str, int]
        events: list[str]

        def __call__(self, body: str | bytes | None, expression: str, **more: Any) -> str:
            if body is not None:
                s3.put_object(Bucket=bucket, Key="k", Body=body)
            given = {name: more.pop(name) for name in ("CSV", "JSON", "Parquet", "CompressionType") if name in more}
            answer = s3.select_object_content(
                Bucket=bucket,
                Key="k",
                Expression=expression,
                ExpressionType="SQL",
                InputSerialization=given or {"CSV": {}},
                OutputSerialization=more.pop("out", {"CSV": {}}),
                **more,
            )
            text = b""
            self.events = []
            for event in answer["Payload"]:
                ((name, value),) = event.items()
                self.events.append(name)
                if name == "Records":
                    text += value["Payload"]
                elif name == "Stats":
                    self.stats = value["Details"]
            assert self.events[-2:] == ["Stats", "End"]
            return text.decode()

    return Select()


USE = {"FileHeaderInfo": "USE"}


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("SELECT * FROM S3Object", 'Ann,31,Oslo\nBob,9,"New York, NY"\nCid,40,Bergen\n'),
        ("SELECT s.name FROM S3Object s WHERE s.city = 'Oslo'", "Ann\n"),
        ("SELECT CASE city WHEN 'Oslo' THEN 'here' WHEN 'Bergen' THEN 'near' ELSE 'far' END FROM S3Object", "here\nfar\nnear\n"),
        ("SELECT CASE WHEN CAST(age AS INT) > 35 THEN 'old' WHEN name LIKE 'A%' THEN name END FROM S3Object", "Ann\n\nold\n"),
        ("SELECT SUM(CASE WHEN CAST(age AS INT) > 30 THEN 1 ELSE 0 END) FROM S3Object", "2\n"),
        ("SELECT name FROM S3Object WHERE CASE WHEN city = 'Oslo' THEN 1 ELSE 2 END = 1", "Ann\n"),
        ("select S.NAME from s3object as s where s.age > 30", "Ann\nCid\n"),
        ("SELECT s._1, s._3 FROM S3Object s LIMIT 1", "Ann,Oslo\n"),
        ('SELECT "name" FROM S3Object WHERE CAST(age AS INT) BETWEEN 9 AND 31', "Ann\nBob\n"),
        ("SELECT name FROM S3Object s WHERE s.city LIKE 'New%' OR s.name IN ('Cid')", "Bob\nCid\n"),
        ("SELECT COUNT(*) FROM S3Object", "3\n"),
        ("SELECT COUNT(*), SUM(s.age), AVG(CAST(s.age AS INT)), MIN(s.age), MAX(s.age) FROM S3Object s WHERE s.age > 9", "2,71,35.5,31,40\n"),
        ("SELECT MAX(CAST(s.age AS INT)) - MIN(CAST(s.age AS INT)) AS span FROM S3Object s", "31\n"),
        ("SELECT SUM(s.age) FROM S3Object s WHERE s.age > 99", "\n"),
        ("SELECT UPPER(s.name), CHAR_LENGTH(s.city), SUBSTRING(s.city, 1, 3) FROM S3Object s WHERE s.name = 'Cid'", "CID,6,Ber\n"),
        ("SELECT SUBSTRING(s.city FROM 2 FOR 2), TRIM(LEADING 'A' FROM s.name) FROM S3Object s LIMIT 1", "sl,nn\n"),
        ("SELECT s.age + 1, s.age * 2, s.age / 2, s.age % 2, -s.age FROM S3Object s LIMIT 1", "32,62,15.5,1,-31\n"),
        ("SELECT s.name || '!' FROM S3Object s WHERE NOT s.age < 40", "Cid!\n"),
        ("SELECT COALESCE(s._9, 'none'), NULLIF(s.name, 'Ann') FROM S3Object s LIMIT 2", "none,\nnone,Bob\n"),
        ("SELECT s._9 FROM S3Object s WHERE s._9 IS MISSING LIMIT 1", "\n"),
        ("SELECT s.name FROM S3Object s WHERE s.name LIKE 'A!%%' ESCAPE '!'", ""),
        ("SELECT s.name FROM S3Object s LIMIT 0", ""),
        ("SELECT " + "(" * 39 + "s.name" + ")" * 39 + " FROM S3Object s LIMIT 1", "Ann\n"),
        ("SELECT s.name FROM S3Object s WHERE " + " OR ".join(f"s.age = {number}" for number in range(1500)) + " LIMIT 1", "Ann\n"),
        ("SELECT DATE_ADD(day, 1, TO_TIMESTAMP('2020-02-28T')), EXTRACT(YEAR FROM TO_TIMESTAMP('2020-02-28T10:00:00Z')) FROM S3Object LIMIT 1", "2020-02-29T00:00:00Z,2020\n"),
        ("SELECT DATE_DIFF(month, TO_TIMESTAMP('2010T'), TO_TIMESTAMP('2011-03T')) FROM S3Object LIMIT 1", "14\n"),
        ("SELECT TO_STRING(TO_TIMESTAMP('1969-07-20T20:18Z'), 'MMMM d, y h:m a') FROM S3Object LIMIT 1", '"July 20, 1969 8:18 PM"\n'),
    ],
)  # fmt: skip
def test_csv(select: Any, expression: str, answer: str) -> None:
    assert select(PEOPLE, expression, CSV=USE) == answer


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("SELECT * FROM S3Object s WHERE s.id = 2", '{"id":2,"n":null}\n'),
        ("SELECT s.id, s.n FROM S3Object[*] s", '{"id":1,"n":"a"}\n{"id":2,"n":null}\n{"id":3,"n":"c"}\n'),
        ('SELECT s."in".deep d FROM S3Object s WHERE s."in".deep >= 5', '{"d":5}\n{"d":"7"}\n'),
        ("SELECT s.tags[1] FROM S3Object s WHERE s.tags IS NOT MISSING", '{"_1":"y"}\n'),
        ("SELECT s.id FROM S3Object s WHERE s.n IS NULL", '{"id":2}\n'),
        ("SELECT COUNT(s.n), SUM(s.id) AS total FROM S3Object s", '{"_1":2,"total":6}\n'),
        ("SELECT t FROM S3Object[*].tags[*] t", '{"t":"x"}\n{"t":"y"}\n'),
        ("SELECT * FROM S3Object[*].tags[*]", '{"_1":"x"}\n{"_1":"y"}\n'),
        ("SELECT CAST(s.id AS STRING) x, s.id > 1 AND s.n = 'c' y FROM S3Object s", '{"x":"1","y":false}\n{"x":"2"}\n{"x":"3","y":true}\n'),
    ],
)
def test_json_lines(select: Any, expression: str, answer: str) -> None:
    assert select(JSON_LINES, expression, JSON={"Type": "LINES"}, out={"JSON": {}}) == answer


def test_a_json_document(select: Any) -> None:
    body = json.dumps({"people": [{"n": "a", "v": 1}, {"n": "b", "v": 2.5}]}, indent=2) + '\n{"people": []}'
    out = {"JSON": {"RecordDelimiter": ";"}}
    assert select(body, "SELECT * FROM S3Object[*].people[*] p WHERE p.v > 1", JSON={"Type": "DOCUMENT"}, out=out) == '{"n":"b","v":2.5};'
    assert select(None, "SELECT COUNT(*) FROM S3Object", JSON={"Type": "DOCUMENT"}) == "2\n"
    assert select("[1,2]", "SELECT * FROM S3Object[*][*]", JSON={"Type": "DOCUMENT"}) == "1\n2\n"


def test_json_comes_out_as_csv_and_csv_as_json(select: Any) -> None:
    assert select(JSON_LINES, "SELECT s.n, s.tags, s.id FROM S3Object s", JSON={"Type": "LINES"}) == 'a,"[""x"",""y""]",1\n,,2\nc,,3\n'
    out = {"JSON": {}}
    assert select(PEOPLE, "SELECT * FROM S3Object LIMIT 1", CSV=USE, out=out) == '{"name":"Ann","age":"31","city":"Oslo"}\n'
    assert (
        select(None, "SELECT * FROM S3Object LIMIT 1", CSV={"FileHeaderInfo": "IGNORE"}, out=out) == '{"_1":"Ann","_2":"31","_3":"Oslo"}\n'
    )
    assert select(None, "SELECT * FROM S3Object LIMIT 1", out=out) == '{"_1":"name","_2":"age","_3":"city"}\n'


@pytest.mark.parametrize(
    ("body", "form", "out", "answer"),
    [
        ("a;b|c;d|", {"FieldDelimiter": ";", "RecordDelimiter": "|"}, {}, "a,b\nc,d\n"),
        ("a::b\n'c::d'::e\n", {"FieldDelimiter": "::", "QuoteCharacter": "'"}, {}, "a,b\nc::d,e\n"),
        ('a,"x\ny"\nb,z\n', {"AllowQuotedRecordDelimiter": True}, {}, 'a,"x\ny"\nb,z\n'),
        ("#skip\r\na,b\r\n\r\nc,d", {"Comments": "#"}, {}, "a,b\nc,d\n"),
        ('a,"say \\"hi\\""\n', {"QuoteEscapeCharacter": "\\"}, {}, 'a,"say ""hi"""\n'),
        ("a,b\n", {}, {"QuoteFields": "ALWAYS", "QuoteCharacter": "'", "FieldDelimiter": "\t", "RecordDelimiter": ";"}, "'a'\t'b';"),
        ("a'b,c\n", {}, {"QuoteFields": "ASNEEDED", "QuoteCharacter": "'", "QuoteEscapeCharacter": "\\"}, "'a\\'b',c\n"),
        ("a\na,b,c\n", {}, {}, "a\na,b,c\n"),
        ("ünïcödé,😀\n", {}, {}, "ünïcödé,😀\n"),
        ("", {}, {}, ""),
    ],
)
def test_forms_of_csv(select: Any, body: str, form: Any, out: Any, answer: str) -> None:
    assert select(body, "SELECT * FROM S3Object", CSV=form, out={"CSV": out}) == answer


@pytest.mark.parametrize(("name", "compress"), [("GZIP", gzip.compress), ("BZIP2", bz2.compress)])
def test_compressed_content(select: Any, name: str, compress: Any) -> None:
    body = "".join(f"{number},{'x' * 50}\n" for number in range(40_000))
    packed = compress(body[:1_000_000].encode()) + compress(body[1_000_000:].encode())
    assert select(packed, "SELECT COUNT(*), SUM(s._1) FROM S3Object s", CSV={}, CompressionType=name) == "40000,799980000\n"
    assert select.stats["BytesScanned"] == len(packed)
    assert select.stats["BytesProcessed"] == len(body)
    with pytest.raises(ClientError) as caught:
        select(b"not compressed", "SELECT * FROM S3Object", CSV={}, CompressionType=name)
    assert caught.value.response["Error"]["Code"] == "TruncatedInput"


def test_many_batches_and_progress(select: Any) -> None:
    body = "".join(f"{number},{number % 7},{'y' * 80}\n" for number in range(60_000))
    wanted = [str(number) for number in range(60_000) if number % 7 == 3]
    assert select(body, "SELECT s._1 FROM S3Object s WHERE s._2 = 3", RequestProgress={"Enabled": True}).split() == wanted
    assert "Progress" in select.events and select.events.count("Records") > 3
    assert select.stats == {
        "BytesScanned": len(body),
        "BytesProcessed": len(body),
        "BytesReturned": sum(len(one) + 1 for one in wanted),
    }
    assert select(None, "SELECT AVG(s._1), COUNT(*) FROM S3Object s") == "29999.5,60000\n"
    assert len(select(None, "SELECT s._1 FROM S3Object s LIMIT 25000").split()) == 25_000


@pytest.mark.parametrize(("scan", "names"), [
    ({"Start": 0, "End": 13}, ""), ({"Start": 0, "End": 14}, "Ann"), ({"Start": 14, "End": 14}, "Ann"), ({"Start": 15}, "Bob,Cid"),
    ({"Start": 15, "End": 26}, "Bob"), ({"End": 15}, "Cid"),
])  # fmt: skip
def test_a_scan_range_has_the_records_that_begin_in_it(select: Any, scan: Any, names: str) -> None:
    body = "name,age,city\nAnn,31,Oslo\nBob,9,Paris\nCid,40,Bergen\n"
    assert select(body, "SELECT s.name FROM S3Object s", CSV=USE, ScanRange=scan).replace("\n", ",").strip(",") == names
    lines = "".join(json.dumps({"n": number}) + "\n" for number in range(5))
    got = select(lines, "SELECT s.n FROM S3Object s", JSON={"Type": "LINES"}, ScanRange={"Start": 1, "End": 18})
    assert got == "1\n2\n"


def parquet(tmp_path: Any) -> bytes:
    import duckdb

    path = tmp_path / "t.parquet"
    rows = "SELECT i AS id, 'n' || i AS name, i * 1.5 AS price, {'a': i} AS s, [i] AS l, TIMESTAMP '2020-01-01' + to_days(i) AS day FROM range(5) t(i)"
    duckdb.connect(":memory:").execute(
        f"COPY (SELECT id::BIGINT AS id, * EXCLUDE (id, day), day FROM ({rows.replace('to_days(i)', 'to_days(i::INTEGER)')})) TO '{path}' (FORMAT parquet)"
    )
    return bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("SELECT s.id, s.name FROM S3Object s WHERE s.price > 4", '{"id":3,"name":"n3"}\n{"id":4,"name":"n4"}\n'),
        ("SELECT * FROM S3Object LIMIT 1", '{"id":0,"name":"n0","price":0,"s":{"a":0},"l":[0],"day":"2020-01-01T00:00:00Z"}\n'),
        ("SELECT s.s.a x, s.l[0] FROM S3Object s WHERE s.ID = 2", '{"x":2,"_2":2}\n'),
        ("SELECT COUNT(*), SUM(s.id), AVG(s.price), MAX(s.name) FROM S3Object s", '{"_1":5,"_2":10,"_3":3,"_4":"n4"}\n'),
    ],
)
def test_parquet(select: Any, tmp_path: Any, expression: str, answer: str) -> None:
    assert select(parquet(tmp_path), expression, Parquet={}, out={"JSON": {}}) == answer


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("SELEC * FROM S3Object", "ParseUnexpectedToken"),
        ("SELECT FROM S3Object", "ParseEmptySelect"),
        ("SELECT *", "ParseSelectMissingFrom"),
        ("SELECT *, s._1 FROM S3Object s", "ParseAsteriskIsNotAloneInSelectList"),
        ("SELECT * FROM other", "InvalidDataSource"),
        ("SELECT * FROM S3Object a, S3Object b", "MultipleDataSourcesUnsupported"),
        ("SELECT s._1 FROM S3Object s GROUP BY s._1", "ParseExpectedIdentForGroupName"),
        ("SELECT s._1 FROM S3Object s JOIN x", "ParseMalformedJoin"),
        ("SELECT s._0 FROM S3Object s", "InvalidColumnIndex"),
        ("SELECT s.nothing FROM S3Object s", "MissingHeaders"),
        ("SELECT ^ FROM S3Object", "LexerInvalidChar"),
        ("SELECT CAST(s._1 AS BLOB) FROM S3Object s", "InvalidDataType"),
        ("SELECT CAST(s._1 AS INT) FROM S3Object s", "CastFailed"),
        ("SELECT TO_TIMESTAMP(s._1) FROM S3Object s", "ValueParseFailure"),
        ("SELECT read_csv('/etc/passwd') FROM S3Object s", "UnsupportedFunction"),
        ("SELECT getenv('PATH') FROM S3Object s", "UnsupportedFunction"),
        ("SELECT LOWER(s._1, s._2) FROM S3Object s", "EvaluatorInvalidArguments"),
        ("SELECT SUM(*) FROM S3Object s", "ParseUnsupportedCallWithStar"),
        ("SELECT SUM(s._1, s._2) FROM S3Object s", "ParseNonUnaryAgregateFunctionCall"),
        ("SELECT COUNT(*), s._1 FROM S3Object s", "UnsupportedSqlStructure"),
        ("SELECT s._1 FROM S3Object s LIMIT -1", "EvaluatorNegativeLimit"),
        ("SELECT s._1 FROM S3Object s LIMIT x", "ParseExpectedNumber"),
        ("SELECT s._1 FROM S3Object s WHERE", "ParseExpectedExpression"),
        ("SELECT 9223372036854775807 * 9223372036854775807 * 9223372036854775807 FROM S3Object s", "IntegerOverflow"),
        ("SELECT 1" + " + 1" * 200 + " FROM S3Object", "MaxOperatorsExceeded"),
        ("SELECT " + "(" * 200 + "1" + ")" * 200 + " FROM S3Object", "MaxOperatorsExceeded"),
        ("SELECT '" + "x" * 262_144 + "' FROM S3Object", "ExpressionTooLong"),
    ],
)
def test_a_wrong_expression_is_refused_with_its_code(select: Any, expression: str, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        select(PEOPLE, expression, CSV=USE)
    assert not isinstance(caught.value, EventStreamError)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"CSV": {}, "JSON": {"Type": "LINES"}}, "ObjectSerializationConflict"),
        ({"CSV": {"FileHeaderInfo": "MAYBE"}}, "InvalidFileHeaderInfo"),
        ({"JSON": {"Type": "NOTHING"}}, "InvalidJsonType"),
        ({"CSV": {}, "CompressionType": "ZIP"}, "InvalidCompressionFormat"),
        ({"out": {"CSV": {"QuoteFields": "NEVER"}}}, "InvalidQuoteFields"),
        ({"CSV": {}, "CompressionType": "GZIP", "ScanRange": {"Start": 1}}, "UnsupportedScanRangeInput"),
        ({"ScanRange": {"Start": 5, "End": 1}}, "InvalidScanRange"),
        ({"JSON": {"Type": "LINES"}}, "JSONParsingError"),
        ({"JSON": {"Type": "DOCUMENT"}}, "JSONParsingError"),
        ({"Parquet": {}}, "ParquetParsingError"),
    ],
)
def test_a_wrong_form_is_refused_with_its_code(select: Any, arguments: Any, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        select(PEOPLE, "SELECT * FROM S3Object", **arguments)
    assert (caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]) == (code, 400)


def test_what_goes_wrong_later_ends_the_stream(select: Any) -> None:
    body = "".join(f"{number}\n" for number in range(400_000)) + "x\n"
    with pytest.raises(EventStreamError) as caught:
        select(body, "SELECT CAST(s._1 AS INT) FROM S3Object s")
    assert caught.value.response["Error"]["Code"] == "CastFailed"


def test_what_is_not_utf_8_or_too_long_is_refused(select: Any) -> None:
    for body, code in ((b"a,\xff\n", "InvalidTextEncoding"), (b"x" * 1_100_000, "OverMaxRecordSize")):
        with pytest.raises(ClientError) as caught:
            select(body, "SELECT * FROM S3Object")
        assert caught.value.response["Error"]["Code"] == code


def test_encrypted_content_is_read_with_its_key(s3: Any, new_bucket: Any, refused: Any) -> None:
    bucket = new_bucket(CustomerKeys=True)
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(32)}
    asked = {
        "Bucket": bucket,
        "Key": "k",
        "Expression": "SELECT s._2 FROM S3Object s",
        "ExpressionType": "SQL",
        "InputSerialization": {"CSV": {}},
        "OutputSerialization": {"CSV": {}},
    }
    refused("NoSuchKey", 404, s3.select_object_content, **asked)
    s3.put_object(Bucket=bucket, Key="k", Body=b"a,b\n", **key)
    refused("InvalidRequest", 400, s3.select_object_content, **asked)
    assert next(iter(s3.select_object_content(**asked, **key)["Payload"]))["Records"]["Payload"] == b"b\n"
    s3.put_object(Bucket=bucket, Key="k", Body=b"a,b\n", ServerSideEncryption="aws:kms")
    assert next(iter(s3.select_object_content(**asked)["Payload"]))["Records"]["Payload"] == b"b\n"
    s3.put_object(Bucket=bucket, Key="k", Body=b"a,b\n", StorageClass="GLACIER")
    refused("UnsupportedStorageClass", 400, s3.select_object_content, **asked)
