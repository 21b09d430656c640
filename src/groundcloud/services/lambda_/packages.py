"""Deployment packages and layers: zip files taken in, kept by content, unpacked for the sandboxes.

A package is kept once whatever the number of versions and layers that name it (`state.PACKAGES`), and unpacked once below `<data directory>/functions/<digest>`. The unpacked form
is a cache: it is made again from the zip where it is missing.
"""

from __future__ import annotations

import asyncio
import shutil
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.runtime import UNPACKED_BYTES_MAX, PackageRefused, Pool, unpack
from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.state import PACKAGES, Code, Package
from groundcloud.store import Blob, Blobs, Content, Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

UPLOAD_BYTES_MAX = 52_428_800
"""AWS: Lambda quotas, deployment package: 50 MB zipped, in the request itself."""

_DROP_POLL_S = 1.0
_DROP_POLLS_MAX = 1000  # a function runs for 15 minutes at most


class Taken:
    """A package on disk that no record names yet, unless `named`. Without content: a container image."""

    __slots__ = ("code", "content", "named")

    def __init__(self, content: Content | None, code: Code) -> None:
        self.content = content
        self.code = code
        self.named = False


class Packages:
    """The unpacked packages of one server."""

    def __init__(self, directory: Path, blobs: Blobs, known: frozenset[str]) -> None:
        """`known`: digests that records name; what is unpacked of others is removed."""
        self._directory = directory
        self._blobs = blobs
        self._unpacking: dict[str, asyncio.Lock] = {}
        self._keys: dict[str, set[str]] = {}
        self._drops: set[asyncio.Task[None]] = set()
        directory.mkdir(exist_ok=True)
        for left in directory.iterdir():
            if left.name not in known:
                shutil.rmtree(left, ignore_errors=True)

    def close(self) -> None:
        for task in self._drops:
            task.cancel()

    def path(self, digest: str) -> Path:
        return self._directory / digest

    async def unpacked(self, digest: str, blob: Blob, key: str = "") -> Path:
        """The directory, made if it is missing; `key` is the sandboxes' that will use it. Raises PackageRefused."""
        if key:
            self._keys.setdefault(digest, set()).add(key)
        path = self._directory / digest
        if not path.is_dir():
            await self.unpack_new(digest, self._blobs.path(blob))
        return path

    def release(self, digest: str, key: str) -> None:
        """No sandbox of that key is left."""
        keys = self._keys.get(digest)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._keys[digest]

    async def unpack_new(self, digest: str, source: Path | bytes) -> int:
        """The bytes unpacked. Raises PackageRefused."""
        async with self._unpacking.setdefault(digest, asyncio.Lock()):
            try:
                return await asyncio.get_running_loop().run_in_executor(None, unpack, source, self._directory / digest)
            finally:
                self._unpacking.pop(digest, None)

    def drop_later(self, digest: str, pool: Pool | None, call: Call) -> None:
        """Removes the directory once no sandbox of `pool` holds it, unless it was named again meanwhile."""

        async def drop() -> None:
            keys = set(self._keys.get(digest, ()))
            for _ in range(_DROP_POLLS_MAX):
                # First the wait: an invocation that found the old version may be about to start.
                await asyncio.sleep(_DROP_POLL_S)
                if pool is None or not any(pool.count(key) for key in keys):
                    break
            if not PACKAGES.has(call.ground.store.transaction(), digest):
                self._keys.pop(digest, None)
                await asyncio.get_running_loop().run_in_executor(None, shutil.rmtree, self._directory / digest, True)

        task = asyncio.get_running_loop().create_task(drop())
        self._drops.add(task)
        task.add_done_callback(self._drops.discard)


def of_server(call: Call) -> Packages:
    return call.own("packages", lambda: _open(call))


def _open(call: Call) -> Packages:
    known = frozenset(key[0] for key in PACKAGES.keys(call.ground.store.transaction()))
    return Packages(call.settings.data_dir / "functions", call.blobs, known)


@asynccontextmanager
async def taken(call: Call, source: dict[str, Any], operation: str, image: Code | None = None) -> AsyncIterator[Taken]:
    """The package that a request's Code (ZipFile, or S3Bucket and S3Key) or Content holds: kept, checked and unpacked. Raises AwsError.

    `name` it inside; what is not named by the end is forgotten. `image` is what an ImageUri has been found to be.
    """
    package = Taken(None, image) if image is not None else await _take(call, source, operation)
    try:
        yield package
    finally:
        if package.content is not None and not package.named:
            call.blobs.writer().discard(package.content)
            of_server(call).drop_later(package.code.digest, None, call)


async def _take(call: Call, source: dict[str, Any], operation: str) -> Taken:
    referenced = source.get("S3ObjectStorageMode") == "REFERENCE"
    if source.get("ZipFile") is not None:
        if referenced:
            raise errors.invalid_parameter("S3ObjectStorageMode REFERENCE is only supported for a deployment package in Amazon S3.")
        zip_file = source["ZipFile"]
        if not zip_file:
            raise errors.empty_zip()
        if len(zip_file) > UPLOAD_BYTES_MAX:
            raise errors.request_too_large(UPLOAD_BYTES_MAX, operation)
        return _marked(await _keep(call, _once(zip_file)), source)
    if source.get("S3Bucket") and source.get("S3Key"):
        version_id, body = await _object(call, source)
        named = (source["S3Bucket"], source["S3Key"], version_id) if referenced else None
        return _marked(await _keep(call, body), source, named)
    raise errors.invalid_parameter("Please provide a source for function code.")


def _marked(package: Taken, source: dict[str, Any], referenced: tuple[str, str, str] | None = None) -> Taken:
    package.code = package.code.replace(key_arn=source.get("SourceKMSKeyArn") or "", referenced=referenced)
    return package


async def _keep(call: Call, chunks: AsyncIterator[bytes]) -> Taken:
    async with call.blobs.writer() as writer:
        async for chunk in chunks:
            await writer.write(chunk)
            if writer.size_bytes > UNPACKED_BYTES_MAX:
                raise errors.unrequest_too_large(UNPACKED_BYTES_MAX)
        if not writer.size_bytes:
            raise errors.empty_zip()
        content = await writer.finish()
        archive = content.data if content.data is not None else call.blobs.path(Blob(content.digest, content.size_bytes))
        try:
            unpacked_bytes = await of_server(call).unpack_new(content.digest, archive)
        except PackageRefused as refused:
            writer.discard(content)
            call.log.info("package refused: %s", refused)
            raise errors.unrequest_too_large(UNPACKED_BYTES_MAX) if refused.too_large else errors.bad_zip() from refused
    sha256 = b64encode(bytes.fromhex(content.digest)).decode()
    return Taken(content, Code(digest=content.digest, sha256=sha256, size_bytes=content.size_bytes, unpacked_bytes=unpacked_bytes))


async def _object(call: Call, source: dict[str, Any]) -> tuple[str, AsyncIterator[bytes]]:
    """The object's version and content, read as the caller."""
    params = {"Bucket": source["S3Bucket"], "Key": source["S3Key"]}
    if source.get("S3ObjectVersion"):
        params["VersionId"] = source["S3ObjectVersion"]
    try:
        answer = await call.request("s3", "GetObject", params)
    except AwsError as error:
        if error.status == 403 or error.code == "AccessDenied":
            raise AwsError(
                "AccessDeniedException",
                f"Your access has been denied by S3, please make sure your request credentials have permission to GetObject for "
                f"{params['Bucket']}/{params['Key']}. S3 Error Code: {error.code}. S3 Error Message: {error.message}",
                status=403,
            ) from error
        raise errors.invalid_parameter(
            f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
        ) from error
    body = answer["Body"]
    return answer.get("VersionId") or "", _once(body) if isinstance(body, bytes) else body


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def name(tx: Transaction, call: Call, package: Taken) -> Code:
    """Names the package once more, in the transaction that stores who uses it. An image is the engine's to keep."""
    if package.content is None:
        return package.code
    blob = call.blobs.link(tx, package.content)
    known = PACKAGES.get(tx, blob.digest)
    uses = known.uses if known is not None else 0
    PACKAGES.put(tx, Package(digest=blob.digest, blob=blob, unpacked_bytes=package.code.unpacked_bytes, uses=uses + 1))
    tx.after_commit(lambda: setattr(package, "named", True))
    return package.code


def name_again(tx: Transaction, call: Call, code: Code) -> Code:
    """For another version with the same package."""
    if not code.digest:
        return code
    package = PACKAGES.get(tx, code.digest)
    assert package is not None
    call.blobs.link(tx, package.blob)
    PACKAGES.put(tx, package.replace(uses=package.uses + 1))
    return code


def forget(tx: Transaction, call: Call, code: Code, pool: Pool) -> None:
    """One use less; the package goes with the last."""
    package = PACKAGES.get(tx, code.digest) if code.digest else None
    if package is None:
        return
    call.blobs.unlink(tx, package.blob)
    if package.uses > 1:
        PACKAGES.put(tx, package.replace(uses=package.uses - 1))
        return
    PACKAGES.delete(tx, code.digest)
    unpacked = of_server(call)
    tx.after_commit(lambda: unpacked.drop_later(code.digest, pool, call))


def blob_of(tx: Transaction, code: Code) -> Blob | None:
    """None where nothing names the package any more."""
    package = PACKAGES.get(tx, code.digest)
    return package.blob if package is not None else None
