"""Bodies: from a request to content that rests (hashed and checked on the way), and from content to the bytes of an answer.

Nothing of a body is stored where its hash, length or checksum is not what the client said: whatever was written is dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.s3 import checksums, errors
from groundcloud.services.s3.state import CONTENTS, PART_CONTENTS, PARTS, SMALL_BYTES_MAX, Part, Version
from groundcloud.store import Blob, Content, Transaction
from groundcloud.wire.message import Body

PUT_BYTES_MAX = 5 * 1024**3
"""AWS: "Amazon S3 multipart upload limits": a single PUT or part."""
HASH_THREADS = 4
READ_BYTES = 1024 * 1024
OPEN_FILES_MAX = 64
"""Files that one answer holds open ahead."""


class Received:
    """A body that has arrived whole. `data` where it is small, else `content` in a file, to be linked in the transaction that names it.

    `checksum` is (algorithm, value) to keep; `declared` the one that the client gave and that was right, if it is another.
    """

    __slots__ = ("checksum", "content", "data", "declared", "md5", "size_bytes")

    def __init__(
        self,
        size_bytes: int,
        md5: str,
        checksum: tuple[str, str],
        data: bytes | None,
        content: Content | Blob | None,
        declared: tuple[str, str] = ("", ""),
    ) -> None:
        self.size_bytes = size_bytes
        self.md5 = md5
        self.checksum = checksum
        self.data = data
        self.content = content
        self.declared = declared

    def discard(self, call: Call) -> None:
        """It will not be named after all."""
        if isinstance(self.content, Content):
            call.blobs.writer().discard(self.content)


async def receive(
    call: Call, request: dict[str, Any], *, algorithm: str = "", keep: str = "", size_bytes_max: int = PUT_BYTES_MAX
) -> Received:
    """Takes the request's `Body` in. `algorithm`: what the client must use if it declares one, and what is computed if not (default CRC64NVME).

    `keep`: the algorithm to keep whatever the client declares.

    Raises MissingContentLength, EntityTooLarge, BadDigest, InvalidDigest, InvalidRequest, XAmzContentSHA256Mismatch.
    """
    headers = call.http.headers if call.http is not None else {}
    body = request.get("Body", b"")
    chosen, value = checksums.declared(request, headers.get("x-amz-trailer"), headers if call.http is not None else None)
    if algorithm and chosen and algorithm != chosen:
        raise errors.invalid_request(
            f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.lower()}, actual checksum Type: {chosen.lower()}"
        )
    algorithm = keep or chosen or algorithm or checksums.DEFAULT
    expected_md5 = request.get("ContentMD5")
    if expected_md5 is not None and len(expected_md5) != 24:
        raise errors.invalid_digest(expected_md5)
    declared_bytes: int | None
    if isinstance(body, Body):
        declared_bytes = body.decoded_size if body.decoded_size is not None else body.size_bytes
        if declared_bytes is None:
            raise errors.missing_content_length()
        if declared_bytes is not None and declared_bytes > size_bytes_max:
            raise errors.entity_too_large(declared_bytes, size_bytes_max)
        source: AsyncIterator[bytes] = body.__aiter__()
    else:
        declared_bytes = None
        source = _pieces(body)

    if declared_bytes is not None and declared_bytes <= SMALL_BYTES_MAX:
        if body.decoded_size is None:
            # The usual small body comes in one piece, and needs no generator around it.
            signed = body.hand_over_hash()
            data = await body.read()
            if signed is not None:
                signed(hashlib.sha256(data).hexdigest())
        else:
            data = b"".join([chunk async for chunk in source])
        if len(data) > SMALL_BYTES_MAX:
            raise errors.incomplete_body()
        digest = hashlib.md5(data, usedforsecurity=False)
        text = checksums.text_of(algorithm, data)
        said = text if algorithm == chosen or not chosen else checksums.text_of(chosen, data)
        _check(body, chosen, value, said, expected_md5, digest)
        return Received(len(data), digest.hexdigest(), (algorithm, text), bytes(data), None, (chosen, said))

    digest = hashlib.md5(usedforsecurity=False)
    seen = checksums.observer(algorithm)
    other = seen if algorithm == chosen or not chosen else checksums.observer(chosen)
    updates = (digest.update, seen.update) if other is seen else (digest.update, seen.update, other.update)
    check_signed = body.hand_over_hash() if isinstance(body, Body) else None
    aside = _Aside(call.own("hashes", _Threads), updates)
    async with call.blobs.writer(observers=(aside.observe,)) as writer:
        async for chunk in source:
            await writer.write(chunk)
            if writer.size_bytes > size_bytes_max:
                raise errors.entity_too_large(writer.size_bytes, size_bytes_max)
        content = await writer.finish()
        await aside.settle()
        try:
            if declared_bytes is not None and writer.size_bytes != declared_bytes:
                raise errors.incomplete_body()
            if check_signed is not None:
                check_signed(content.digest)
            said = other.text()
            _check(body, chosen, value, said, expected_md5, digest)
        except AwsError:
            writer.discard(content)
            raise
        checksum = (algorithm, seen.text())
        if content.data is not None:
            return Received(content.size_bytes, digest.hexdigest(), checksum, content.data, None, (chosen, said))
        return Received(content.size_bytes, digest.hexdigest(), checksum, None, content, (chosen, said))


class _Threads:
    """Threads that hash; closed with the server."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="s3-hash")

    def close(self) -> None:
        self.pool.shutdown(wait=False)


class _Aside:
    """Hashes a body beside the thread that writes it (MD5 is as slow as a disk), one piece behind at most."""

    def __init__(self, threads: _Threads, updates: tuple[Callable[[bytes], Any], ...]) -> None:
        self._pool = threads.pool
        self._updates = updates
        self._pending: Future[None] | None = None

    def observe(self, data: bytes) -> None:
        if len(data) <= SMALL_BYTES_MAX and self._pending is None:
            self._update(data)
            return
        if self._pending is not None:
            self._pending.result()
        self._pending = self._pool.submit(self._update, data)

    async def settle(self) -> None:
        if self._pending is not None:
            await asyncio.wrap_future(self._pending)

    def _update(self, data: bytes) -> None:
        for update in self._updates:
            update(data)


def _check(body: Any, algorithm: str, value: str, computed: str, expected_md5: str | None, digest: Any) -> None:
    if expected_md5 is not None:
        checksums.check_md5(expected_md5, digest.digest())
    if not algorithm:
        return
    if not value:
        value = body.trailers.get(checksums.HEADERS[algorithm], "")
        checksums.check_form(algorithm, value)
    if value != computed:
        raise errors.bad_checksum(algorithm)


async def _pieces(body: Any) -> AsyncIterator[bytes]:
    """The body of a call from another room: bytes, text or an iterator."""
    if isinstance(body, str):
        yield body.encode()
    elif isinstance(body, (bytes, bytearray, memoryview)):
        yield bytes(body)
    else:
        async for chunk in body:
            yield chunk


def keep(call: Call, tx: Transaction, bucket_name: str, key: str, order: int, received: Received) -> Blob | None:
    """Names what was received as the content of (bucket, key, order); the blob if it is in a file."""
    if received.data is not None:
        if received.data:
            CONTENTS.put(tx, bucket_name, key, order, received.data)
        return None
    assert received.content is not None
    return call.blobs.link(tx, received.content)


def name_again(call: Call, tx: Transaction, bucket_name: str, key: str, version: Version, other_bucket_name: str) -> None:
    """Makes a version's content that of the same key, order and upload in another bucket, too; files are named twice, not copied."""
    if version.blob is not None:
        call.blobs.link(tx, version.blob)
    elif version.upload_id:
        for part in list(PARTS.scan(tx, bucket_name, version.upload_id)):
            PARTS.put(tx, other_bucket_name, version.upload_id, part.part_number, part)
            if part.blob is not None:
                call.blobs.link(tx, part.blob)
            elif part.size_bytes:
                data = PART_CONTENTS.get(tx, bucket_name, version.upload_id, part.part_number) or b""
                PART_CONTENTS.put(tx, other_bucket_name, version.upload_id, part.part_number, data)
    elif version.size_bytes:
        CONTENTS.put(tx, other_bucket_name, key, version.order, CONTENTS.get(tx, bucket_name, key, version.order) or b"")


def drop(call: Call, tx: Transaction, bucket_name: str, key: str, version: Version) -> None:
    """Forgets a version's content."""
    if version.blob is not None:
        call.blobs.unlink(tx, version.blob)
    elif version.upload_id:
        drop_parts(call, tx, bucket_name, version.upload_id)
    elif version.size_bytes:
        CONTENTS.delete(tx, bucket_name, key, version.order)


def drop_parts(call: Call, tx: Transaction, bucket_name: str, upload_id: str) -> None:
    for part in list(PARTS.scan(tx, bucket_name, upload_id)):
        drop_part(call, tx, bucket_name, upload_id, part)


def drop_part(call: Call, tx: Transaction, bucket_name: str, upload_id: str, part: Part) -> None:
    PARTS.delete(tx, bucket_name, upload_id, part.part_number)
    if part.blob is not None:
        call.blobs.unlink(tx, part.blob)
    elif part.size_bytes:
        PART_CONTENTS.delete(tx, bucket_name, upload_id, part.part_number)


def read(call: Call, tx: Transaction, bucket_name: str, key: str, version: Version, start: int, stop: int) -> bytes | AsyncIterator[bytes]:
    """The bytes from `start` to before `stop`: at hand where they rest in the store, else as a stream that survives the version's removal.

    (Of an object of more than OPEN_FILES_MAX parts, the parts beyond are opened as they are reached, and are gone if it is deleted meanwhile.)
    """
    if start >= stop:
        return b""
    if version.blob is not None:
        return _FileStream(call, [_File(call, version.blob, start, stop)])
    if version.upload_id:
        return _FileStream(call, _pieces_of(call, tx, bucket_name, version.upload_id, start, stop))
    data = CONTENTS.get(tx, bucket_name, key, version.order)
    assert data is not None
    return data if stop - start == len(data) else data[start:stop]


def _pieces_of(call: Call, tx: Transaction, bucket_name: str, upload_id: str, start: int, stop: int) -> list[_File | bytes]:
    """What of which part makes up the bytes from `start` to before `stop`."""
    found: list[_File | bytes] = []
    offset = 0
    for part in PARTS.scan(tx, bucket_name, upload_id):
        begin, end = max(start - offset, 0), min(stop - offset, part.size_bytes)
        offset += part.size_bytes
        if begin < end:
            if part.blob is not None:
                found.append(_File(call, part.blob, begin, end, lazy=len(found) >= OPEN_FILES_MAX))
            else:
                data = PART_CONTENTS.get(tx, bucket_name, upload_id, part.part_number)
                assert data is not None
                found.append(data[begin:end])
        if offset >= stop:
            break
    return found


class _File:
    """A piece of a blob's file, open from the start unless `lazy`: who has begun to read reads to the end, whatever is deleted meanwhile."""

    __slots__ = ("_path", "descriptor", "start", "stop")

    def __init__(self, call: Call, blob: Blob, start: int, stop: int, *, lazy: bool = False) -> None:
        self._path = call.blobs.path(blob)
        self.start = start
        self.stop = stop
        self.descriptor = -1 if lazy else os.open(self._path, os.O_RDONLY)

    def read(self) -> bytes:
        """The next READ_BYTES; in a thread."""
        if self.descriptor < 0:
            self.descriptor = os.open(self._path, os.O_RDONLY)
        chunk = os.pread(self.descriptor, min(READ_BYTES, self.stop - self.start), self.start)
        if not chunk:
            raise OSError(f"{self._path.name} ends early")
        self.start += len(chunk)
        return chunk

    def __del__(self) -> None:
        # The answer to a HEAD, or one whose client is gone, is never iterated: nothing else would close it.
        if self.descriptor >= 0:
            os.close(self.descriptor)


class _FileStream:
    """Pieces, one after the other."""

    def __init__(self, call: Call, pieces: Sequence[_File | bytes]) -> None:
        self._call = call
        self._pieces = list(reversed(pieces))

    def __aiter__(self) -> _FileStream:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        piece = self._pieces[-1]
        if isinstance(piece, bytes):
            self._pieces.pop()
            return piece
        chunk: bytes = await self._call.in_thread(piece.read)
        if piece.start >= piece.stop:
            self._pieces.pop()
        return chunk

    async def aclose(self) -> None:
        self._pieces.clear()
