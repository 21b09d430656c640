"""Bodies: from a request to content that rests (hashed, checked and encrypted on the way), and from content to the bytes of an answer.

Nothing of a body is stored where its hash, length or checksum is not what the client said: whatever was written is dropped.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.s3 import checksums, encryption, errors, object_annotations
from groundcloud.services.s3.ciphers import CHUNK_BYTES, Cipher, derive, new_salt, opener
from groundcloud.services.s3.encryption import Keys, Sealing
from groundcloud.services.s3.state import CONTENTS, PART_CONTENTS, PARTS, SMALL_BYTES_MAX, Part, Version
from groundcloud.store import Blob, Content, Transaction
from groundcloud.wire.message import Body

PUT_BYTES_MAX = 5 * 1024**3
"""AWS: "Amazon S3 multipart upload limits": a single PUT or part."""
CACHED_PIECE_BYTES = 256 * 1024
"""What is read at once on the event loop, where the system has it in memory."""
_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)
_NOTHING = bytearray()
HASH_THREADS = 4
PIECE_BYTES = 1024 * 1024
"""What is hashed, encrypted, written and read at once; whole chunks."""
OPEN_FILES_MAX = 64
"""Files that one answer holds open ahead."""


class Received:
    """A body that has arrived whole. `data` where it is small, else `content` in a file, to be linked in the transaction that names it; both as they rest.

    `checksum` is (algorithm, value) to keep; `declared` the one that the client gave and that was right, if it is another. `salt` is a part's.
    """

    __slots__ = ("checksum", "content", "data", "declared", "etag", "salt", "size_bytes")

    def __init__(
        self,
        size_bytes: int,
        etag: str,
        checksum: tuple[str, str],
        data: bytes | None,
        content: Content | Blob | None,
        declared: tuple[str, str] = ("", ""),
        salt: bytes = b"",
    ) -> None:
        self.size_bytes = size_bytes
        self.etag = etag
        self.salt = salt
        self.checksum = checksum
        self.data = data
        self.content = content
        self.declared = declared

    def discard(self, call: Call) -> None:
        """It will not be named after all."""
        if isinstance(self.content, Content):
            call.blobs.writer().discard(self.content)


async def receive(
    call: Call,
    request: dict[str, Any],
    sealing: Sealing,
    *,
    part: bool = False,
    algorithm: str = "",
    keep: str = "",
    size_bytes_max: int = PUT_BYTES_MAX,
    observe: Callable[[bytes], Any] | None = None,
) -> Received:
    """Takes the request's `Body` in. `algorithm`: what the client must use if it declares one, and what is computed if not (default CRC64NVME).

    `keep`: the algorithm to keep whatever the client declares. `part`: it is one of an object's parts, and gets a salt of its own.
    `observe` sees it pass, and may raise.

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
        if call.http is not None and "content-length" not in headers and "x-amz-decoded-content-length" not in headers:
            raise errors.missing_content_length()
        declared_bytes = body.decoded_size if body.decoded_size is not None else body.size_bytes
        if declared_bytes is None:
            raise errors.missing_content_length()
        if declared_bytes is not None and declared_bytes > size_bytes_max:
            raise errors.entity_too_large(declared_bytes, size_bytes_max)
        source: AsyncIterator[bytes] = body.__aiter__()
    else:
        declared_bytes = None
        source = _pieces(body)

    keys, salt = sealing.keys, b""
    if part and keys:
        salt = new_salt()
        keys = tuple(derive(key, salt) for key in keys)
    cipher = Cipher(keys) if keys else None
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
        if observe is not None:
            observe(bytes(data))
        digest = hashlib.md5(data, usedforsecurity=False)
        text = checksums.text_of(algorithm, data)
        said = text if algorithm == chosen or not chosen else checksums.text_of(chosen, data)
        _check(body, chosen, value, said, expected_md5, digest)
        etag = sealing.etag(digest.hexdigest(), salt)
        rests = bytes(cipher.seal(data)) if cipher is not None else bytes(data)
        return Received(len(data), etag, (algorithm, text), rests, None, (chosen, said), salt)

    digest = hashlib.md5(usedforsecurity=False)
    seen = checksums.observer(algorithm)
    other = seen if algorithm == chosen or not chosen else checksums.observer(chosen)
    updates: list[Callable[[bytes], Any]] = [seen.update] if other is seen else [seen.update, other.update]
    check_signed = body.hand_over_hash() if isinstance(body, Body) else None
    signed_digest = hashlib.sha256() if check_signed is not None else None
    if signed_digest is not None:
        updates.append(signed_digest.update)
    if observe is not None:
        updates.append(observe)
    aside = _Aside(call.own("hashes", _Threads), (digest.update,), tuple(updates))
    async with call.blobs.writer(unique=cipher is not None) as writer:
        size_bytes = await _pass(source, cipher, aside, writer, size_bytes_max)
        content = await writer.finish()
        try:
            if declared_bytes is not None and size_bytes != declared_bytes:
                raise errors.incomplete_body()
            if check_signed is not None and signed_digest is not None:
                check_signed(signed_digest.hexdigest())
            said = other.text()
            _check(body, chosen, value, said, expected_md5, digest)
        except AwsError:
            writer.discard(content)
            raise
        etag = sealing.etag(digest.hexdigest(), salt)
        held = content.data is not None
        return Received(size_bytes, etag, (algorithm, seen.text()), content.data, None if held else content, (chosen, said), salt)


async def _pass(source: AsyncIterator[bytes], cipher: Cipher | None, aside: _Aside, writer: Any, size_bytes_max: int) -> int:
    """A body on its way to the writer, piece by piece: hashed in threads, and encrypted here (a piece takes 60 µs). How long it was."""
    held: list[bytes] = []
    held_bytes = size_bytes = number = 0

    async def send(piece: bytes) -> None:
        await aside.observe(piece)
        await writer.write(cipher.seal(piece, number) if cipher is not None else piece)

    async for chunk in source:
        held.append(chunk)
        held_bytes += len(chunk)
        size_bytes += len(chunk)
        if size_bytes > size_bytes_max:
            raise errors.entity_too_large(size_bytes, size_bytes_max)
        if held_bytes >= PIECE_BYTES:
            data = b"".join(held)
            whole = held_bytes - held_bytes % CHUNK_BYTES
            await send(data[:whole])
            number += whole // CHUNK_BYTES
            held, held_bytes = ([data[whole:]], held_bytes - whole) if whole < held_bytes else ([], 0)
    if held:
        await send(b"".join(held))
    await aside.settle()
    return size_bytes


class _Threads:
    """Threads that hash; closed with the server."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="s3-hash")

    def close(self) -> None:
        self.pool.shutdown(wait=False)


class _Aside:
    """Hashes a body in threads (MD5 is as slow as a disk), one piece behind at most. Each group of `updates` has a thread."""

    def __init__(self, threads: _Threads, *updates: tuple[Callable[[bytes], Any], ...]) -> None:
        self._pool = threads.pool
        self._updates = updates
        self._pending: list[Future[None]] = []

    async def observe(self, data: bytes) -> None:
        if len(data) <= SMALL_BYTES_MAX and not self._pending:
            for group in self._updates:
                _update(group, data)
            return
        await self.settle()
        self._pending = [self._pool.submit(_update, group, data) for group in self._updates]

    async def settle(self) -> None:
        for pending in self._pending:
            if not pending.done():
                await asyncio.wrap_future(pending)
            pending.result()


def _update(updates: tuple[Callable[[bytes], Any], ...], data: bytes) -> None:
    for update in updates:
        update(data)


def _check(body: Any, algorithm: str, value: str, computed: str, expected_md5: str | None, digest: Any) -> None:
    if expected_md5 is not None:
        checksums.check_md5(expected_md5, digest.digest())
    if not algorithm:
        return
    if not value:
        value = body.trailers.get(checksums.HEADERS[algorithm], "")
        if not value and body.trailers:
            raise errors.malformed_trailer()
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
    if version.annotations:
        object_annotations.name_again(call, tx, bucket_name, key, version, other_bucket_name)
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
    if version.annotations:
        object_annotations.drop(call, tx, bucket_name, key, version)
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


def read(
    call: Call, tx: Transaction, bucket_name: str, key: str, version: Version, start: int, stop: int, keys: Keys | None = None
) -> bytes | AsyncIterator[bytes | bytearray]:
    """The bytes from `start` to before `stop`: at hand where they rest in the store, else as a stream that survives the version's removal.

    `keys`: `encryption.keys_of` its seal; may be left out where the server's key opens it. Raises NoSuchKey if it has gone meanwhile.
    (Of an object of more than OPEN_FILES_MAX parts, the parts beyond are opened as they are reached, and are gone if it is deleted meanwhile.)
    """
    if start >= stop:
        return b""
    if keys is None:
        keys = encryption.server_keys(call, version.seal) if version.seal is not None else ()
    if version.upload_id and version.blob is None:
        return _FileStream(call, _pieces_of(call, tx, bucket_name, version.upload_id, start, stop, keys))
    cipher = opener(keys) if keys else None
    if version.blob is not None:
        try:
            return _FileStream(call, [_File(call, version.blob, start, stop, version.size_bytes, cipher)])
        except (KeyError, FileNotFoundError):
            raise errors.no_such_key(key) from None
    data = CONTENTS.get(tx, bucket_name, key, version.order)
    if data is None:
        raise errors.no_such_key(key)
    if cipher is not None:
        data = bytes(cipher.open(data))
    return data if stop - start == len(data) else data[start:stop]


def read_annotation(
    call: Call, tx: Transaction, place: tuple[str, str, int], annotation: object_annotations.Annotation, keys: Keys
) -> bytes | AsyncIterator[bytes | bytearray]:
    """An annotation's text. `place`: bucket, key, the version's order. `keys`: `encryption.keys_of` the version's seal."""
    cipher = Cipher([derive(key, annotation.salt) for key in keys]) if annotation.salt else None
    if annotation.blob is not None:
        return _FileStream(call, [_File(call, annotation.blob, 0, annotation.size_bytes, annotation.size_bytes, cipher)])
    data = object_annotations.ANNOTATION_CONTENTS.get(tx, *place, annotation.name) or b""
    return bytes(cipher.open(data)) if cipher is not None else data


def _pieces_of(call: Call, tx: Transaction, bucket_name: str, upload_id: str, start: int, stop: int, keys: Keys) -> list[_File | bytes]:
    """What of which part makes up the bytes from `start` to before `stop`."""
    found: list[_File | bytes] = []
    offset = 0
    for part in PARTS.scan(tx, bucket_name, upload_id):
        begin, end = max(start - offset, 0), min(stop - offset, part.size_bytes)
        offset += part.size_bytes
        if begin < end:
            cipher = Cipher([derive(key, part.salt) for key in keys]) if part.salt else None
            if part.blob is not None:
                found.append(_File(call, part.blob, begin, end, part.size_bytes, cipher, lazy=len(found) >= OPEN_FILES_MAX))
            else:
                data = PART_CONTENTS.get(tx, bucket_name, upload_id, part.part_number)
                assert data is not None
                found.append(bytes(cipher.open(data) if cipher is not None else data)[begin:end])
        if offset >= stop:
            break
    return found


class _File:
    """A piece of a blob's file, open from the start unless `lazy`: who has begun to read reads to the end, whatever is deleted meanwhile.

    `start` and `stop` count bytes of the content, which is `size_bytes` long; with a cipher it rests in sealed chunks.
    """

    __slots__ = ("_cipher", "_path", "_room", "_size_bytes", "descriptor", "start", "stop")

    def __init__(
        self, call: Call, blob: Blob, start: int, stop: int, size_bytes: int, cipher: Cipher | None, *, lazy: bool = False
    ) -> None:
        self._path = call.blobs.path(blob)
        self._cipher = cipher
        self._size_bytes = size_bytes
        self._room = _NOTHING
        self.start = start
        self.stop = stop
        self.descriptor = -1 if lazy else os.open(self._path, os.O_RDONLY)

    def read(self) -> bytes | bytearray:
        """The next piece; in a thread."""
        if self.descriptor < 0:
            self.descriptor = os.open(self._path, os.O_RDONLY)
        found = self._read(PIECE_BYTES, 0)
        assert found is not None
        return found

    def read_cached(self) -> bytes | bytearray | None:
        """The next piece, a smaller one, if the system has it in memory: then a thread would cost more than it does. None if not."""
        if self.descriptor < 0:
            return None
        try:
            return self._read(CACHED_PIECE_BYTES, _NOWAIT)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
                raise
            return None

    def _read(self, piece_bytes: int, flags: int) -> bytes | bytearray | None:
        start, cipher = self.start, self._cipher
        skipped = start % CHUNK_BYTES
        stop = min(start - skipped + piece_bytes, self.stop)
        begin, end = (start, stop) if cipher is None else cipher.sealed_range(start, stop, self._size_bytes)
        room = self._room
        if len(room) != end - begin:
            room = self._room = bytearray(end - begin)
        count = os.preadv(self.descriptor, [room], begin, flags)
        if count != end - begin:
            if flags and count:
                return None
            raise OSError(f"{self._path.name} ends early")
        self.start = stop
        if cipher is None:
            self._room = _NOTHING
            return room
        data = cipher.open(room, start // CHUNK_BYTES)
        return data if len(data) == stop - start else data[skipped : skipped + stop - start]

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

    async def __anext__(self) -> bytes | bytearray:
        if not self._pieces:
            raise StopAsyncIteration
        piece = self._pieces[-1]
        if isinstance(piece, bytes):
            self._pieces.pop()
            return piece
        chunk = piece.read_cached()
        if chunk is None:
            chunk = await self._call.in_thread(piece.read)
        else:
            await asyncio.sleep(0)  # others have their turn
        if piece.start >= piece.stop:
            self._pieces.pop()
        return chunk

    async def aclose(self) -> None:
        self._pieces.clear()
