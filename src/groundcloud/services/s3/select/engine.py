"""Runs a query over the records of one object. Batches go to DuckDB as text, and no more of the object is in memory than one of them.

An aggregate is worked out batch by batch: each gives its part (a sum, a count), and the parts give the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from groundcloud.services.s3.errors import S3Error
from groundcloud.services.s3.select import errors, translation
from groundcloud.services.s3.select.records import Batch, CsvCutter, DocumentCutter, Inflated, LinesCutter, Plain
from groundcloud.services.s3.select.settings import RECORD_CHARACTERS_MAX, Settings
from groundcloud.services.s3.select.syntax import Node, Query
from groundcloud.services.s3.select.translation import Term, Translation
from groundcloud.services.s3.select.writers import Json, block, record

MEMORY = "256MB"
"""Of one query."""
BATCH_BYTES = 1024 * 1024
PAYLOAD_CHARACTERS = 128 * 1024
PAYLOAD_BYTES = 256 * 1024
ROWS = 1000


class Engine:
    """One query; used by one thread at a time. `close` ends it."""

    def __init__(self, settings: Settings, query: Query, now: datetime, *, header: list[str] | None = None) -> None:
        self._settings = settings
        self._query = query
        self._now = now
        self._left = query.limit
        self._inflated = Inflated(settings.compression) if settings.compression != "NONE" else Plain()
        skips = settings.scan is not None and settings.scan[0] > 0
        # Records that begin from `scan[0]` to `scan[1]`; what is read begins one byte before, where the record before may end.
        last = None if settings.scan is None else settings.scan[1] + 1 - max(settings.scan[0] - 1, 0)
        steps = query.source[1:] if query.source[:1] == (None,) else query.source
        if settings.source == "csv":
            if steps:
                raise errors.of("InvalidDataSource")
            self._cutter: Any = CsvCutter(settings.csv, last=last, skips=skips, header=header)
        elif settings.source == "json-lines":
            self._cutter = LinesCutter(steps, last=last, skips=skips)
        else:
            self._cutter = DocumentCutter(steps)
        self._connection: Any = None
        self._sql = self._plain_sql = ""
        self._kinds: tuple[str, ...] = ()
        self._partial: list[list[Any]] = []
        self.scanned_bytes = self.processed_bytes = self.returned_bytes = 0

    @property
    def done(self) -> bool:
        """Nothing more of the object is needed."""
        return self._left == 0 or self._cutter.done

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that come of the next bytes of the object."""
        self.scanned_bytes += len(data)
        found: list[bytes] = []
        for piece in self._inflated.pieces(data):
            for at in range(0, len(piece), BATCH_BYTES):
                part = piece[at : at + BATCH_BYTES]
                self.processed_bytes += len(part)
                found += self._batch(self._cutter.feed(part))
                if self.done:
                    return found
        return found

    def finish(self) -> list[bytes]:
        """What comes of the last record, and of aggregates."""
        found: list[bytes] = []
        if not self.done:
            self._inflated.finish()
            found = self._batch(self._cutter.finish())
        if not self._query.aggregates:
            return found
        self._prepare()
        if not self._partial and self._left != 0:
            self._partial.append(self._fetch(self._sql, ["[]"])[0])
        return self._payloads([self._total()] if self._left != 0 else [])

    # Parquet

    def parquet(self, path: Path) -> Iterator[list[bytes]]:
        """The payloads of a file of Parquet."""
        self.scanned_bytes = self.processed_bytes = path.stat().st_size
        connection = self._connect(path)
        table = f"read_parquet({translation.quoted(str(path))}, binary_as_string=true)"
        try:
            types = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()}
        except Exception as fault:
            raise _error_of(fault, "ParquetParsingError") from None
        self._translate(translation.columns(types, self._query.alias), table, list(types.items()))
        if self._query.aggregates:
            self._partial = [self._fetch(self._sql, None)[0]]
            yield self._payloads([self._total()] if self._left != 0 else [])
            return
        if self._left == 0:
            return
        limit = "" if self._left is None else f" LIMIT {self._left}"
        try:
            connection.execute(self._sql + limit)
            while rows := connection.fetchmany(ROWS):
                yield self._payloads(rows)
        except S3Error:
            raise
        except Exception as fault:
            raise _error_of(fault, "ParquetParsingError") from None

    # Batches

    def _batch(self, batch: Batch) -> list[bytes]:
        if not batch:
            return []
        self._prepare()
        plain = isinstance(batch, str)
        text = batch if isinstance(batch, str) else f"[{batch.decode(errors='replace')}]"
        sql = self._plain_sql if plain else self._sql
        if self._query.aggregates:
            self._partial.append(self._fetch(sql, [text])[0])
            self._partial = [_combined(self._query.aggregates, self._partial)]
            return []
        rows = self._fetch(sql if self._left is None else f"{sql} LIMIT {self._left}", [text])
        return self._payloads(rows)

    def _prepare(self) -> None:
        """Once the first record is there: a query names columns by it."""
        if self._sql:
            return
        self._connect(None)
        csv = self._settings.source == "csv"
        alias = self._query.alias
        path = translation.fields(self._cutter.header, alias) if csv else translation.members(alias)
        shape = '["VARCHAR[]"]' if csv else '["JSON"]'
        if csv:
            between = [translation.quoted(text) for text in (self._settings.csv.record_delimiter, self._settings.csv.field_delimiter)]
            plain = f"(SELECT string_split(l, {between[1]}) AS r FROM (SELECT unnest(string_split(?, {between[0]})) AS l))"
            self._translate(path, plain, None)
            self._plain_sql = self._sql
        self._translate(path, f"(SELECT unnest(from_json(?::JSON, '{shape}')) AS r)", None)

    def _connect(self, path: Path | None) -> Any:
        import duckdb

        config: dict[str, Any] = {
            "threads": "1",
            "memory_limit": MEMORY,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        self._connection = duckdb.connect(":memory:", config=config)
        if path is not None:
            self._connection.execute(f"SET allowed_paths = [{translation.quoted(str(path))}]")
        self._connection.execute("SET temp_directory = ''")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        return self._connection

    def _translate(self, path: translation.Path, table: str, columns: list[tuple[str, str]] | None) -> None:
        query = self._query
        said = Translation(path, self._now)
        where = f" WHERE {said.condition(query.where)}" if query.where is not None else ""
        if query.aggregates:
            for item in query.items:
                if item.node is not None:
                    _check_aggregated(item.node)
            selected = ", ".join(_part(said, node) for node in query.aggregates)
        elif query.items[0].node is not None:
            terms = [said.term(item.node) for item in query.items if item.node is not None]
            self._kinds = tuple(term.kind for term in terms)
            selected = ", ".join(_value(term) for term in terms)
        elif columns is not None:
            terms = [Term(translation.identifier(name), translation.kind_of(kind)) for name, kind in columns]
            self._kinds = tuple(term.kind for term in terms)
            self._names = [name for name, _ in columns]
            selected = ", ".join(_value(term) for term in terms)
        else:
            selected = "r"
        self._sql = f"SELECT {selected} FROM {table}{where}"

    def _fetch(self, sql: str, parameters: list[str] | None) -> list[Any]:
        fallback = "JSONParsingError" if self._settings.source.startswith("json") else "ExternalEvalException"
        try:
            rows: list[Any] = self._connection.execute(sql, parameters).fetchall()
        except Exception as fault:
            raise _error_of(fault, fallback) from None
        return rows

    def _total(self) -> tuple[Any, ...]:
        """The one record of a query of aggregates."""
        whole = iter(_combined(self._query.aggregates, self._partial))
        terms = {}
        for node in self._query.aggregates:
            value = next(whole)
            if node.value == "AVG":
                count = next(whole)
                value = float(value) / count if count else None
            terms[node] = translation.literal(value)
        said = Translation(_no_path, self._now, terms)
        values = [said.term(item.node) for item in self._query.items if item.node is not None]
        self._kinds = tuple(term.kind for term in values)
        row: tuple[Any, ...] = self._fetch(f"SELECT {', '.join(_value(term) for term in values)}", None)[0]
        return row

    # Answers

    def _payloads(self, rows: list[Any]) -> list[bytes]:
        if self._left is not None:
            rows = rows[: self._left]
            self._left -= len(rows)
        found: list[bytes] = []
        held: list[str] = []
        size = 0
        whole = self._block(rows)
        if whole is not None:
            found = [whole[at : at + PAYLOAD_BYTES] for at in range(0, len(whole), PAYLOAD_BYTES)]
            rows = []
        for row in rows:
            text = record(self._settings.output, *self._members(row))
            if len(text) > RECORD_CHARACTERS_MAX:
                raise errors.of("OverMaxRecordSize")
            held.append(text)
            size += len(text)
            if size >= PAYLOAD_CHARACTERS:
                found.append("".join(held).encode(errors="surrogatepass"))
                held, size = [], 0
        if held:
            found.append("".join(held).encode(errors="surrogatepass"))
        self.returned_bytes += sum(len(payload) for payload in found)
        return found

    def _block(self, rows: list[Any]) -> bytes | None:
        """Records that are texts without anything to quote, all at once; None where they are not."""
        star = self._query.items[0].node is None
        if (
            self._settings.output.json
            or not rows
            or (star and self._settings.source != "csv")
            or "json" in self._kinds
            or "native" in self._kinds
        ):
            return None
        return block(self._settings.output, [row[0] for row in rows] if star else rows)

    def _members(self, row: tuple[Any, ...]) -> tuple[list[str], list[Any]]:
        items = self._query.items
        if items[0].node is None and self._settings.source == "csv":
            fields = row[0]
            header = self._cutter.header or ()
            return [header[at] if at < len(header) else f"_{at + 1}" for at in range(len(fields))], fields
        if items[0].node is None and self._settings.source != "parquet":
            import msgspec

            try:
                members = msgspec.json.decode(row[0], type=dict[str, msgspec.Raw])
            except msgspec.ValidationError:
                return ["_1"], [Json(row[0])]
            return list(members), [Json(bytes(value).decode()) for value in members.values()]
        names = self._names if items[0].node is None else [item.name for item in items]
        return names, [
            Json(value) if value is not None and kind in ("json", "native") else value for value, kind in zip(row, self._kinds, strict=True)
        ]


def header_of(settings: Settings, top: bytes) -> list[str]:
    """The header of a file of CSV that begins with `top`; none where it is not to be used."""
    cutter = CsvCutter(settings.csv)
    cutter.feed(top.rpartition(settings.csv.record_delimiter.encode())[0] + settings.csv.record_delimiter.encode())
    return cutter.header or []


def _value(term: Term) -> str:
    """As it is fetched: JSON as its text."""
    if term.kind == "json":
        return f"CAST({term.sql} AS VARCHAR)"
    return f"CAST(to_json({term.sql}) AS VARCHAR)" if term.kind == "native" else term.sql


def _part(said: Translation, node: Node) -> str:
    """A batch's part of an aggregate: one column, and for an average two."""
    if not node.args:
        return "count(*)"
    term = said.term(node.args[0])
    if node.value == "COUNT":
        return f"count({said.string(term) if term.kind == 'json' else term.sql})"
    if node.value in ("MIN", "MAX"):
        return f"{node.value.lower()}({term.sql if term.kind in ('str', 'ts', 'num') else said.number(term)})"
    if term.kind in ("ts", "bool"):
        raise errors.of("UnsupportedSqlOperation")
    number = said.number(term)
    return f"sum({number})" if node.value == "SUM" else f"sum({number}), count({number})"


def _combined(aggregates: tuple[Node, ...], parts: list[list[Any]]) -> list[Any]:
    """One part of many."""
    functions: list[str] = []
    for node in aggregates:
        functions += ["SUM", "SUM"] if node.value == "AVG" else ["SUM" if node.value == "COUNT" else node.value]
    found = []
    for at, function in enumerate(functions):
        values = [part[at] for part in parts if part[at] is not None]
        found.append(None if not values else sum(values) if function == "SUM" else min(values) if function == "MIN" else max(values))
    return found


def _check_aggregated(node: Node) -> None:
    """Raises UnsupportedSqlStructure for a column beside an aggregate: there are no groups."""
    if node.kind == "path":
        raise errors.of("UnsupportedSqlStructure")
    if node.kind != "aggregate":
        for arg in node.args:
            _check_aggregated(arg)


def _no_path(steps: Any) -> Term:
    raise errors.of("UnsupportedSqlStructure")


def _error_of(fault: Exception, fallback: str) -> Exception:
    """DuckDB's error in Select's words; what is not DuckDB's is ours."""
    import duckdb

    if not isinstance(fault, duckdb.Error):
        return fault
    text = str(fault)
    if isinstance(fault, duckdb.ConversionException):
        if "timestamp field" in text:
            return errors.of("ValueParseFailure")
        if "Malformed JSON" in text and fallback == "JSONParsingError":
            return errors.of(fallback)
        return errors.of("CastFailed")
    if isinstance(fault, duckdb.OutOfRangeException):
        return errors.of("IntegerOverflow")
    if isinstance(fault, duckdb.BinderException):
        return errors.of("UnsupportedTypeForQuerying")
    if isinstance(fault, duckdb.OutOfMemoryException):
        return errors.of("OverMaxRecordSize")
    return errors.of(fallback)
