"""What crosses the wire, before and after the protocol: a request with its body, a response."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from groundcloud.base.errors import AwsError
from groundcloud.base.limits import BODY_BYTES_MAX, QUERY_PARAMETERS_MAX


class ClientGone(Exception):
    """The client broke off before its body was whole: nobody is left to answer."""


class Body:
    """A request's body, read once: whole with `read`, or as it arrives with `async for`.

    `size_bytes` is what the client declared, None if it did not. Reading raises ClientGone when the client breaks off.
    """

    __slots__ = ("_consumed", "_receive", "decoded_size", "size_bytes", "transform", "whole")

    def __init__(self, receive: Callable[[], Awaitable[bytes | None]] | None, size_bytes: int | None, whole: bytes | None = None) -> None:
        self._receive = receive
        self.size_bytes = size_bytes
        self.whole = whole
        self.decoded_size: int | None = None
        self.transform: Any = None
        """A decoder of the content (aws-chunked): `feed(bytes) -> bytes`, `finish()`, `trailers`."""
        self._consumed = False

    async def read(self, limit: int | None = None) -> bytes:
        """Everything. Raises AwsError RequestEntityTooLarge past `limit` bytes."""
        if self.whole is not None and self.transform is None:
            return self.whole
        pieces, total = [], 0
        if self.transform is None and self._receive is not None and not self._consumed:
            # The usual body comes in one piece, and needs no generator around it.
            self._consumed = True
            receive = self._receive
            while (chunk := await receive()) is not None:
                total += len(chunk)
                if limit is not None and total > limit:
                    raise _too_large(limit)
                pieces.append(chunk)
            self.whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            return self.whole
        async for chunk in self:
            total += len(chunk)
            if limit is not None and total > limit:
                raise _too_large(limit)
            pieces.append(chunk)
        data = b"".join(pieces)
        self.whole, self.transform = data, None
        return data

    def hand_over_hash(self) -> Callable[[str], None] | None:
        """For a reader that hashes the body anyway: the check of the SHA-256 that the client signed, to be called with the body's own at its end,
        instead of hashing twice. None where there is nothing to check. Call it before reading."""
        check: Callable[[str], None] | None = getattr(self.transform, "check", None)
        if check is None:
            return None
        self.transform = None
        return check

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._consumed and self.whole is None:
            raise RuntimeError("a body is read once")
        self._consumed = True
        transform = self.transform
        if self.whole is not None:
            if transform is not None:
                yield transform.feed(self.whole)
                transform.finish()
            else:
                yield self.whole
            return
        if self._receive is None:
            return
        while True:
            chunk = await self._receive()
            if chunk is None:
                break
            if transform is not None:
                chunk = transform.feed(chunk)
            if chunk:
                yield chunk
        if transform is not None:
            transform.finish()

    @property
    def begun(self) -> bool:
        """Whether reading has begun (of nothing, it always has)."""
        return self._consumed or self.whole is not None

    @property
    def trailers(self) -> dict[str, str]:
        """Trailing headers of an aws-chunked body, once it has been read."""
        return dict(getattr(self.transform, "trailers", None) or {})


class HttpRequest:
    """`raw_path` is as sent, percent-encoded; `path` is decoded; `headers` have lower-case names, repeated ones joined by commas."""

    __slots__ = (
        "_form",
        "_path",
        "_query",
        "body",
        "headers",
        "host",
        "method",
        "query_string",
        "raw_path",
        "repeated",
        "scheme",
        "signed_path",
        "source_ip",
    )

    def __init__(
        self,
        method: str,
        raw_path: str,
        query_string: str,
        headers: dict[str, str],
        body: Body | bytes = b"",
        source_ip: str = "127.0.0.1",
        scheme: str = "http",
    ) -> None:
        self.method = method
        self.raw_path = raw_path
        self.repeated: dict[str, list[str]] = {}
        """Headers that came more than once, each value by itself; `headers` has them joined."""
        self.signed_path = raw_path
        """The path as the client sent and signed it, where the front has put a virtual host's bucket in front of `raw_path`."""
        self.query_string = query_string
        self.headers = headers
        self.body = body if isinstance(body, Body) else Body(None, len(body), body)
        self.source_ip = source_ip
        self.scheme = scheme
        self.host = headers.get("host", "")
        self._path: str | None = None
        self._query: dict[str, list[str]] | None = None
        self._form: dict[str, str] | None = None

    @property
    def path(self) -> str:
        if self._path is None:
            self._path = unquote(self.raw_path)
        return self._path

    @property
    def query(self) -> dict[str, list[str]]:
        """Decoded names and values; a name without `=` has the value "". Raises AwsError MalformedQueryString."""
        if self._query is None:
            found: dict[str, list[str]] = {}
            if self.query_string:
                for name, value in pairs_of(self.query_string):
                    values = found.get(name)
                    if values is None:
                        found[name] = [value]
                    else:
                        values.append(value)
            self._query = found
        return self._query

    async def form(self) -> dict[str, str]:
        """Names and values of a form body; the last of repeated ones. Raises AwsError MalformedQueryString, RequestEntityTooLargeException."""
        if self._form is None:
            body = await content_of(self, FORM_BYTES_MAX)
            try:
                self._form = dict(pairs_of(body.decode()))
            except UnicodeDecodeError:
                raise malformed_query_string() from None
        return self._form


class HttpResponse:
    """`body` is bytes or an async iterator of them; `headers` are (name, value) pairs, names in lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: list[tuple[str, str]] | None = None, body: bytes | AsyncIterator[bytes] = b"") -> None:
        self.status = status
        self.headers = headers if headers is not None else []
        self.body = body


FORM_BYTES_MAX = 16 * 1024 * 1024
"""A form: SES takes messages of 10 MB as base64, percent-encoded."""


async def content_of(request: HttpRequest, limit: int = BODY_BYTES_MAX) -> bytes:
    """The whole body, decompressed if the client sent it compressed (SDKs do for operations with the trait `requestcompression`).

    Raises AwsError RequestEntityTooLargeException past `limit` bytes, before and after.
    """
    body = request.body
    whole = body.whole if body.transform is None else None
    if whole is None:
        whole = await body.read(limit)
    if len(whole) > limit:
        raise _too_large(limit)
    encoding = request.headers.get("content-encoding")
    if encoding is not None and whole.startswith(_GZIP_MAGIC) and encoding.rsplit(",", 1)[-1].strip().lower() == "gzip":
        return _gunzip(whole, limit)  # the body stays as it was signed
    return whole


_GZIP_MAGIC = b"\x1f\x8b"  # no JSON, XML, CBOR map or form begins with it


def _too_large(limit: int) -> AwsError:
    return AwsError("RequestEntityTooLargeException", f"Request must be smaller than {limit} bytes", status=413)


def _gunzip(packed: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        data = unpacker.decompress(packed, limit)
    except zlib.error:
        raise AwsError("SerializationException", "The request body is not valid gzip.", status=400) from None
    if unpacker.unconsumed_tail:
        raise _too_large(limit)
    if not unpacker.eof:
        raise AwsError("SerializationException", "The compressed request body is cut short.", status=400)
    return data


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Decoded names and values of a form or query string. Raises AwsError MalformedQueryString for too many, or what is not UTF-8."""
    if not text:
        return []
    fields = text.split("&")
    if len(fields) > QUERY_PARAMETERS_MAX:
        raise malformed_query_string()
    found = []
    try:
        for field in fields:
            if field:
                name, _, value = field.partition("=")
                found.append((_decoded(name), _decoded(value)))
    except UnicodeDecodeError:
        raise malformed_query_string() from None
    return found


def malformed_query_string() -> AwsError:
    return AwsError("MalformedQueryString", "The query string contains a syntax error", status=404)


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return unquote_to_bytes(text).decode() if "%" in text else text
