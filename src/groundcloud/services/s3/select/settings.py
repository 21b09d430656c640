"""What a request of Select says of its input and output. AWS: InputSerialization, OutputSerialization, ScanRange."""

from __future__ import annotations

from typing import Any, NamedTuple

from groundcloud.services.s3.select import errors

RECORD_CHARACTERS_MAX = 1024 * 1024
"""AWS: "The maximum length of a record in the input or result is 1 MB"."""


class CsvInput(NamedTuple):
    header: str = "NONE"
    record_delimiter: str = "\n"
    field_delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    comment: str = "#"
    quoted_record_delimiters: bool = False


class Output(NamedTuple):
    """`json`: one object a record, else CSV."""

    json: bool
    record_delimiter: str = "\n"
    field_delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    always_quoted: bool = False


class Settings(NamedTuple):
    """`source`: csv, json-lines, json-document or parquet. `scan`: first and last byte in which records may begin; None for all."""

    source: str
    csv: CsvInput
    compression: str
    output: Output
    scan: tuple[int, int] | None
    progress: bool


def of_request(request: dict[str, Any], size_bytes: int) -> Settings:
    """Raises an error of Select."""
    if request["ExpressionType"].upper() != "SQL":
        raise errors.of("InvalidExpressionType")
    given, wanted = request["InputSerialization"], request["OutputSerialization"]
    sources = [name for name in ("CSV", "JSON", "Parquet") if given.get(name) is not None]
    outputs = [name for name in ("CSV", "JSON") if wanted.get(name) is not None]
    if len(sources) > 1 or len(outputs) > 1:
        raise errors.of("ObjectSerializationConflict")
    if not sources:
        raise errors.of("InvalidDataSource")
    if not outputs:
        raise errors.of("MissingRequiredParameter")
    compression = given.get("CompressionType") or "NONE"
    if compression not in ("NONE", "GZIP", "BZIP2") or (sources == ["Parquet"] and compression != "NONE"):
        raise errors.of("InvalidCompressionFormat")
    csv = _csv(given.get("CSV") or {})
    source = sources[0].lower()
    if source == "json":
        kind = (given["JSON"].get("Type") or "").upper()
        if kind not in ("LINES", "DOCUMENT"):
            raise errors.of("InvalidJsonType")
        source = f"json-{kind.lower()}"
    scan = None
    if request.get("ScanRange") is not None:
        if compression != "NONE" or csv.quoted_record_delimiters or source in ("json-document", "parquet"):
            raise errors.of("UnsupportedScanRangeInput")
        scan = _scan(request["ScanRange"], size_bytes)
    progress = bool((request.get("RequestProgress") or {}).get("Enabled"))
    return Settings(source, csv, compression, _output(wanted, outputs[0]), scan, progress)


def _csv(given: dict[str, Any]) -> CsvInput:
    header = (given.get("FileHeaderInfo") or "NONE").upper()
    if header not in ("NONE", "USE", "IGNORE"):
        raise errors.of("InvalidFileHeaderInfo")
    quote = given.get("QuoteCharacter", '"')
    csv = CsvInput(
        header,
        given.get("RecordDelimiter") or "\n",
        given.get("FieldDelimiter") or ",",
        quote,
        given.get("QuoteEscapeCharacter") or quote,
        given.get("Comments", "#"),
        bool(given.get("AllowQuotedRecordDelimiter")),
    )
    if len(csv.record_delimiter) > 2 or len(csv.field_delimiter) > 2 or len(quote) > 1 or len(csv.escape) > 1 or len(csv.comment) > 1:
        raise errors.of("InvalidRequestParameter")
    return csv


def _output(wanted: dict[str, Any], kind: str) -> Output:
    given = wanted[kind]
    if kind == "JSON":
        return Output(True, given.get("RecordDelimiter", "\n"))
    quoting = (given.get("QuoteFields") or "ASNEEDED").upper()
    if quoting not in ("ALWAYS", "ASNEEDED"):
        raise errors.of("InvalidQuoteFields")
    quote = given.get("QuoteCharacter") or '"'
    return Output(
        False,
        given.get("RecordDelimiter", "\n"),
        given.get("FieldDelimiter", ","),
        quote,
        given.get("QuoteEscapeCharacter") or quote,
        quoting == "ALWAYS",
    )


def _scan(given: dict[str, Any], size_bytes: int) -> tuple[int, int]:
    start, end = given.get("Start"), given.get("End")
    if start is None:
        if end is None:
            raise errors.of("InvalidScanRange")
        # AWS: ScanRange: an end alone means so many bytes at the end.
        return max(size_bytes - end, 0), size_bytes
    if start < 0 or start >= max(size_bytes, 1) or (end is not None and end < start):
        raise errors.of("InvalidScanRange")
    return start, size_bytes if end is None else end
