"""Unpacks deployment packages and layers: zip files of strangers.

What is refused: paths that climb out or are absolute, links that lead out, more bytes than declared or allowed, too many entries,
entries that are neither file, directory nor link. The directory appears whole or not at all.
"""

from __future__ import annotations

import io
import os
import posixpath
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

# AWS: Lambda quotas, deployment package: 250 MB unzipped, layers included.
UNPACKED_BYTES_MAX = 262_144_000
_ENTRIES_MAX = 200_000
_DIRECTORY_BYTES_MAX = 256 * _ENTRIES_MAX
# APPNOTE.TXT 4.3.14 and 4.3.16: the end of central directory record, its comment of up to 64 KB, and the one of large archives before it.
_END, _END_MARK = struct.Struct("<4s4H2LH"), b"PK\x05\x06"
_END64, _END64_MARK = struct.Struct("<4sQ2H2L4Q"), b"PK\x06\x06"
_END_BYTES_MAX = _END.size + _END64.size + 20 + 0xFFFF
_NAME_BYTES_MAX = 4096
_CHUNK_BYTES = 1024 * 1024
_LINK_BYTES_MAX = 4096


class PackageRefused(Exception):
    """The archive cannot be unpacked; the sentence says why. `too_large` tells AWS's size error from its unzip error."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


def unpack(archive: Path | bytes, destination: Path, limit_bytes: int = UNPACKED_BYTES_MAX) -> int:
    """Unpacks into `destination`, which must not exist; the bytes unpacked. Raises PackageRefused, and leaves nothing behind then.

    Files become readable for everyone (sandboxes run as users of their own), executable as in the archive. Blocking: call in a thread.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        with open(archive, "rb") if isinstance(archive, Path) else io.BytesIO(archive) as file, _opened(file) as package:
            size_bytes = _unpack_all(package, building, limit_bytes)
        os.chmod(building, 0o755)
        try:
            building.rename(destination)
        except OSError:
            if not destination.is_dir():
                raise
            shutil.rmtree(building)  # another one was faster; what it unpacked is the same
        return size_bytes
    except PackageRefused:
        shutil.rmtree(building, ignore_errors=True)
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError, ValueError, OSError) as error:
        shutil.rmtree(building, ignore_errors=True)
        raise PackageRefused(f"Could not unzip uploaded file: {error}") from error
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _opened(file: BinaryIO) -> zipfile.ZipFile:
    """What zipfile would make a record each of is counted first: the archive's last record says how many entries there are. Raises PackageRefused."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _END_BYTES_MAX))
    tail = file.read(_END_BYTES_MAX)
    at = tail.rfind(_END_MARK)
    if at >= 0 and len(tail) - at >= _END.size:
        _, _, _, _, entries, directory_bytes, *_ = _END.unpack_from(tail, at)
        mark = tail.rfind(_END64_MARK, 0, at)
        if entries == 0xFFFF and mark >= 0 and at - mark >= _END64.size:
            *_, entries, directory_bytes, _ = _END64.unpack_from(tail, mark)
        if entries > _ENTRIES_MAX or directory_bytes > _DIRECTORY_BYTES_MAX:
            raise PackageRefused(f"The archive has {entries} entries; {_ENTRIES_MAX} are allowed.")
    return zipfile.ZipFile(file)


def _unpack_all(package: zipfile.ZipFile, root: Path, limit_bytes: int) -> int:
    entries = package.infolist()
    if len(entries) > _ENTRIES_MAX:
        raise PackageRefused(f"The archive has {len(entries)} entries; {_ENTRIES_MAX} are allowed.")
    if sum(entry.file_size for entry in entries) > limit_bytes:
        raise _too_large(limit_bytes)
    links: list[tuple[str, zipfile.ZipInfo]] = []
    left = limit_bytes
    for entry in entries:
        name = _safe_name(entry.filename)
        if name is None:
            continue
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.is_dir() or kind == stat.S_IFDIR:
            _directory(root, name)
        elif kind == stat.S_IFLNK:
            links.append((name, entry))
        elif kind in (0, stat.S_IFREG):
            left -= _file(package, entry, root, name, left)
            if left < 0:
                raise _too_large(limit_bytes)
        else:
            raise PackageRefused(f"{entry.filename!r} is neither a file, a directory nor a link.")
    # Last, so that no entry is written through a link.
    for name, entry in links:
        _link(package, entry, root, name)
    return limit_bytes - left


def _too_large(limit_bytes: int) -> PackageRefused:
    return PackageRefused(f"Unzipped size must be smaller than {limit_bytes} bytes", too_large=True)


def _safe_name(name: str) -> str | None:
    """The path below the root, None for the root itself. Raises PackageRefused."""
    if "\0" in name or len(name.encode("utf-8", "surrogatepass")) > _NAME_BYTES_MAX:
        raise PackageRefused(f"{name[:100]!r} is not a file name.")
    slashed = name.replace("\\", "/")
    if slashed.startswith("/") or ".." in slashed.split("/") or (len(slashed) > 1 and slashed[1] == ":" and slashed[0].isalpha()):
        raise PackageRefused(f"{name!r} leads out of the package.")
    normal = posixpath.normpath(slashed)
    return None if normal == "." else normal


def _directory(root: Path, name: str) -> None:
    path = root
    for part in name.split("/"):
        path = path / part
        try:
            path.mkdir(mode=0o755)
        except FileExistsError:
            if not path.is_dir():
                raise PackageRefused(f"{name!r} is both a file and a directory.") from None
        else:
            os.chmod(path, 0o755)


def _file(package: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path, name: str, left: int) -> int:
    if "/" in name:
        _directory(root, name.rpartition("/")[0])
    path = root / name
    if path.is_dir():
        raise PackageRefused(f"{name!r} is both a file and a directory.")
    written = 0
    with package.open(entry) as source, open(path, "wb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > left or written > entry.file_size:
                raise PackageRefused(f"{name!r} unpacks to more than it declares, or than is allowed.", too_large=written > left)
            target.write(chunk)
    os.chmod(path, 0o755 if (entry.external_attr >> 16) & 0o111 else 0o644)
    return written


def _link(package: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path, name: str) -> None:
    if entry.file_size > _LINK_BYTES_MAX:
        raise PackageRefused(f"The link {name!r} is too long.")
    target = package.read(entry).decode("utf-8")
    within = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if "\0" in target or target.startswith("/") or within == ".." or within.startswith("../"):
        raise PackageRefused(f"The link {name!r} leads out of the package.")
    if "/" in name:
        _directory(root, name.rpartition("/")[0])
    path = root / name
    # A link through a link could lead out where each alone does not.
    if not os.path.realpath(path.parent).startswith(os.path.realpath(root)) or path.parent != Path(os.path.realpath(path.parent)):
        raise PackageRefused(f"The link {name!r} lies behind another link.")
    if path.is_symlink() or path.exists():
        raise PackageRefused(f"{name!r} is there twice.")
    path.symlink_to(target)
    resolved = os.path.realpath(path)
    if resolved != os.path.realpath(root) and not resolved.startswith(os.path.realpath(root) + os.sep):
        raise PackageRefused(f"The link {name!r} leads out of the package.")
