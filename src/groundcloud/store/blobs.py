"""Large bodies: objects, code, payloads. Content is named by its SHA-256 (encrypted content by chance) and is on disk before a transaction names it.

Small content rests in the store itself, beside the references (one commit, no file); larger content in a file below `directory`.
A reference count in the same transaction says how many records name a digest; content that nobody names is removed after the commit
that dropped the last reference, or by `sweep` after a crash.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from groundcloud.store.table import Record, Table
from groundcloud.store.transaction import Store, Transaction

INLINE_BYTES_MAX = 64 * 1024
"""Up to here content rests in the store: measured, a file of its own costs two syncs."""

WRITE_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024


class Blob(Record):
    """A named content. `digest` is SHA-256 in hex, or chance; `inline` says that it rests in the store."""

    digest: str
    size_bytes: int
    inline: bool = False


class Content:
    """Content that is written but not yet named; `data` is there when it is small."""

    __slots__ = ("data", "digest", "size_bytes")

    def __init__(self, digest: str, size_bytes: int, data: bytes | None) -> None:
        self.digest = digest
        self.size_bytes = size_bytes
        self.data = data


_REFERENCES: Table[int] = Table("store/blob-references", int, key=1, scope="global")
_INLINE: Table[bytes] = Table("store/blob-inline", bytes, key=1, scope="global")


class Blobs:
    def __init__(self, directory: Path, store: Store) -> None:
        self._directory = directory
        self._store = store
        self._unnamed: dict[str, int] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self._scratch = directory / "scratch"
        self._scratch.mkdir(exist_ok=True)

    def put(self, tx: Transaction, data: bytes) -> Blob:
        """Names `data` in `tx`. Blocks for the disk when it is past INLINE_BYTES_MAX: use a writer for what may be large."""
        digest = hashlib.sha256(data).hexdigest()
        if len(data) <= INLINE_BYTES_MAX:
            return self.link(tx, Content(digest, len(data), bytes(data)))
        if not self._file(digest).exists():
            path = self._scratch / secrets.token_hex(16)
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                with os.fdopen(descriptor, "wb", closefd=False) as file:
                    file.write(data)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            self._protect(digest)
            self._place(path, digest)
        else:
            self._protect(digest)
        return self.link(tx, Content(digest, len(data), None))

    def writer(self, observers: tuple[Callable[[bytes], Any], ...] = (), *, unique: bool = False) -> BlobWriter:
        """`observers` (`md5.update`, a checksum's) see every byte in order, in a thread beside the one that writes.

        `unique`: no other content is the same (it is encrypted), so it is named by chance and not hashed.
        """
        return BlobWriter(self, observers, unique)

    def link(self, tx: Transaction, content: Content | Blob) -> Blob:
        """Names content once more, in the transaction that stores the name. Raises KeyError for a blob that is gone."""
        digest = content.digest
        count = _REFERENCES.get(tx, digest) or 0
        if isinstance(content, Blob):
            if not count:
                raise KeyError(digest)
            blob = content
        else:
            blob = Blob(digest, content.size_bytes, content.data is not None)
            if content.data is not None and not count:
                _INLINE.put(tx, digest, content.data)
            elif content.data is None:
                tx.after_commit(lambda: self._named(digest))
        _REFERENCES.put(tx, digest, count + 1)
        return blob

    def unlink(self, tx: Transaction, blob: Blob) -> None:
        """Forgets one name; the content goes with the last."""
        count = _REFERENCES.get(tx, blob.digest)
        if count is None:
            return
        if count > 1:
            _REFERENCES.put(tx, blob.digest, count - 1)
            return
        _REFERENCES.delete(tx, blob.digest)
        if blob.inline:
            _INLINE.delete(tx, blob.digest)
        else:
            tx.after_commit(lambda: self._remove_soon(blob.digest))

    def read(self, tx: Transaction, blob: Blob) -> bytes:
        """The whole content. Raises KeyError if it is gone."""
        if blob.inline:
            data = _INLINE.get(tx, blob.digest)
            if data is None:
                raise KeyError(blob.digest)
            return data
        try:
            return self._file(blob.digest).read_bytes()
        except FileNotFoundError:
            raise KeyError(blob.digest) from None

    async def stream(self, blob: Blob, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `stop`. The content stays readable to the end even if it is unlinked meanwhile."""
        end = blob.size_bytes if stop is None else min(stop, blob.size_bytes)
        if blob.inline:
            data = self.read(self._store.transaction(), blob)
            yield data[start:end]
            return
        loop = asyncio.get_running_loop()
        descriptor = os.open(self._file(blob.digest), os.O_RDONLY)
        try:
            while start < end:
                chunk = await loop.run_in_executor(None, os.pread, descriptor, min(READ_BYTES, end - start), start)
                if not chunk:
                    raise OSError(f"blob {blob.digest} ends early")
                start += len(chunk)
                yield chunk
        finally:
            os.close(descriptor)

    def path(self, blob: Blob) -> Path:
        """A file with the content, to be read only; small content is written out for it."""
        path = self._file(blob.digest)
        if not path.exists():
            if not blob.inline:
                raise KeyError(blob.digest)
            scratch = self._scratch / secrets.token_hex(16)
            scratch.write_bytes(self.read(self._store.transaction(), blob))
            path.parent.mkdir(exist_ok=True)
            os.replace(scratch, path)
        return path

    def sweep(self) -> int:
        """Removes files that no record names, left by a crash; how many. For the start of a server, before it answers."""
        removed = 0
        for leftover in self._scratch.iterdir():
            leftover.unlink()
            removed += 1
        tx = self._store.transaction()
        for folder in self._directory.iterdir():
            if len(folder.name) != 2:
                continue
            for file in folder.iterdir():
                digest = folder.name + file.name
                if _INLINE.has(tx, digest) or not _REFERENCES.has(tx, digest):
                    file.unlink()
                    removed += 1
        return removed

    def _file(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest[2:]

    def _protect(self, digest: str) -> None:
        """Content that a transaction is about to name is not removed meanwhile."""
        self._unnamed[digest] = self._unnamed.get(digest, 0) + 1

    def _place(self, scratch: Path, digest: str) -> None:
        """Moves synced content to its name, durably. May run in a thread, once the digest is protected."""
        path = self._file(digest)
        if path.exists():
            scratch.unlink()
            return
        path.parent.mkdir(exist_ok=True)
        os.replace(scratch, path)
        for folder in (path.parent, self._directory):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _named(self, digest: str) -> None:
        count = self._unnamed.get(digest, 0) - 1
        if count > 0:
            self._unnamed[digest] = count
        else:
            self._unnamed.pop(digest, None)

    def _remove_soon(self, digest: str) -> None:
        """Removes the file once the commit that dropped the last reference is on disk (a restart must not find the name without the content)."""

        async def remove() -> None:
            await self._store.durable()
            if digest not in self._unnamed and not _REFERENCES.has(self._store.transaction(), digest):
                self._file(digest).unlink(missing_ok=True)

        task = asyncio.get_running_loop().create_task(remove())
        _REMOVALS.add(task)
        task.add_done_callback(_REMOVALS.discard)


_REMOVALS: set[asyncio.Task[None]] = set()  # asyncio keeps only weak references to tasks

_OBSERVING = ThreadPoolExecutor(max_workers=2, thread_name_prefix="blob-observers")
"""Its threads start with the first large body."""


class BlobWriter:
    """Takes a stream of bytes; holds at most twice WRITE_BYTES of it: one piece that comes in while the other is written. `finish` or `abort` ends it."""

    def __init__(self, blobs: Blobs, observers: tuple[Callable[[bytes], Any], ...], unique: bool) -> None:
        self._blobs = blobs
        self._digest = None if unique else hashlib.sha256()
        self._observers = observers
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._flushing: asyncio.Future[None] | None = None
        self._descriptor: int | None = None
        self._path: Path | None = None
        self.size_bytes = 0

    async def write(self, chunk: bytes) -> None:
        """Raises OSError where the disk takes no more (of this piece or the one before)."""
        self._buffer.append(chunk)
        self._buffered += len(chunk)
        self.size_bytes += len(chunk)
        if self._buffered >= WRITE_BYTES:
            await self._settle()
            pieces, self._buffer, self._buffered = self._buffer, [], 0
            self._flushing = asyncio.get_running_loop().run_in_executor(None, self._flush, pieces)

    async def finish(self) -> Content:
        """The content, synced. It is removed at the next start if no transaction links it."""
        if self._flushing is None and self.size_bytes <= INLINE_BYTES_MAX:
            data = b"".join(self._buffer)
            self._observe(data)
            if self._digest is not None:
                self._digest.update(data)
            return Content(self._name(), len(data), data)
        await self._settle()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._close)
        digest = self._name()
        path, self._path = self._path, None
        assert path is not None
        self._blobs._protect(digest)
        try:
            await loop.run_in_executor(None, self._blobs._place, path, digest)
        except OSError:
            self._blobs._named(digest)
            path.unlink(missing_ok=True)
            raise
        return Content(digest, self.size_bytes, None)

    def abort(self) -> None:
        """Drops what was written. Safe after `finish`."""
        self._buffer.clear()
        if self._flushing is not None and not self._flushing.done():
            self._flushing.add_done_callback(lambda _: self._drop())  # the thread has the file open
        else:
            self._drop()

    def discard(self, content: Content) -> None:
        """Finished content that will not be linked after all."""
        if content.data is None:
            self._blobs._named(content.digest)
            self._blobs._remove_soon(content.digest)

    async def __aenter__(self) -> BlobWriter:
        return self

    async def __aexit__(self, *_: Any) -> None:
        if self._flushing is not None and not self._flushing.done():
            await asyncio.wait([self._flushing])
        self.abort()

    async def _settle(self) -> None:
        if self._flushing is not None:
            await asyncio.shield(self._flushing)

    def _drop(self) -> None:
        if self._flushing is not None and self._flushing.done() and not self._flushing.cancelled():
            self._flushing.exception()  # heard: whoever aborts knows why
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _name(self) -> str:
        return self._digest.hexdigest() if self._digest is not None else secrets.token_hex(32)

    def _observe(self, data: bytes) -> None:
        for observer in self._observers:
            observer(data)

    def _flush(self, pieces: list[bytes]) -> None:
        data = b"".join(pieces)
        if self._descriptor is None:
            self._path = self._blobs._scratch / secrets.token_hex(16)
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        # MD5 takes as long as the SHA-256 and the write together, and none of them holds the interpreter's lock.
        observed = _OBSERVING.submit(self._observe, data) if self._observers else None
        try:
            if self._digest is not None:
                self._digest.update(data)
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        finally:
            if observed is not None:
                observed.result()

    def _close(self) -> None:
        if self._buffer or self._descriptor is None:
            pieces, self._buffer = self._buffer, []
            self._flush(pieces)
        assert self._descriptor is not None
        os.fdatasync(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None
