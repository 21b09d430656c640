"""Unpacking strangers' archives."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.runtime import PackageRefused, unpack
from groundcloud.runtime.package import _safe_name


def archive(*entries: tuple[str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, content)
    return buffer.getvalue()


FILE, EXECUTABLE, LINK = stat.S_IFREG | 0o600, stat.S_IFREG | 0o755, stat.S_IFLNK | 0o777


def test_files_directories_modes_and_inner_links_are_kept(tmp_path: Path) -> None:
    data = archive(
        ("app.py", b"x = 1", FILE),
        ("bin/run", b"#!/bin/sh", EXECUTABLE),
        ("lib/a.so.1", b"a", FILE),
        ("lib/a.so", b"a.so.1", LINK),
        ("./c.py", b"", 0),
    )
    target = tmp_path / "code"
    assert unpack(data, target) == 15
    assert (target / "app.py").read_bytes() == b"x = 1"
    assert stat.S_IMODE((target / "app.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((target / "bin/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((target / "bin").stat().st_mode) == 0o755
    assert (target / "lib/a.so").readlink() == Path("a.so.1")
    assert (target / "c.py").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["code"]


REFUSED = {
    "a path that climbs out": archive(("../evil", b"x", FILE)),
    "a path that climbs out within": archive(("a/../../evil", b"x", FILE)),
    "an absolute path": archive(("/etc/evil", b"x", FILE)),
    "a path of Windows that climbs out": archive(("..\\evil", b"x", FILE)),
    "a drive": archive(("C:\\evil", b"x", FILE)),
    "a link that leads out": archive(("a", b"../../etc", LINK)),
    "an absolute link": archive(("a", b"/etc/passwd", LINK)),
    "a link behind a link": archive(("a", b".", LINK), ("a/b", b"..", LINK)),
    "a link that leads out through a link": archive(("d/e/f", b"", FILE), ("l", b"d/e", LINK), ("m", b"l/../../..", LINK)),
    "a file and a directory of one name": archive(("a", b"x", FILE), ("a/b", b"x", FILE)),
    "a device": archive(("null", b"", stat.S_IFCHR | 0o666)),
    "no archive": b"PK not really",
    "nothing": b"",
    "an archive cut short": archive(("a", b"x" * 1000, FILE))[:-30],
    "a very long name": archive(("a" * 5000, b"", FILE)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_archive_that_is_no_package_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    with pytest.raises(PackageRefused) as raised:
        unpack(REFUSED[name], inner / "code")
    assert not raised.value.too_large
    assert list(inner.iterdir()) == []
    assert list(tmp_path.iterdir()) == [inner]


def test_a_bomb_that_declares_its_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match=r"Unzipped size must be smaller than 1000000 bytes") as raised:
        unpack(archive(("zeros", bytes(1_000_001), FILE)), tmp_path / "code", limit_bytes=1_000_000)
    assert raised.value.too_large


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    data = bytearray(archive(("zeros", bytes(5_000_000), FILE)))
    size = (5_000_000).to_bytes(4, "little")
    data = data.replace(size, (10).to_bytes(4, "little"))
    with pytest.raises(PackageRefused):
        unpack(bytes(data), tmp_path / "code", limit_bytes=1_000_000)
    assert list(tmp_path.iterdir()) == []


def test_an_entry_of_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("a", b"stored content")
    with pytest.raises(PackageRefused, match="CRC"):
        unpack(buffer.getvalue().replace(b"stored content", b"other. content"), tmp_path / "code")


def test_an_archive_on_disk_and_a_second_unpacking_of_the_same_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive(("a", b"x", FILE)))
    assert unpack(path, tmp_path / "code") == unpack(path, tmp_path / "code") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "code"]


@given(st.text(alphabet=st.sampled_from("./\\abC:\0"), max_size=12))
def test_a_name_that_is_accepted_stays_below_the_root(name: str) -> None:
    try:
        safe = _safe_name(name)
    except PackageRefused:
        return
    if safe is not None:
        assert not safe.startswith("/")
        assert ".." not in safe.split("/")


def test_an_archive_of_too_many_entries_is_refused_before_they_are_read(tmp_path: Path) -> None:
    """The directory that the last records speak of is not even there."""
    entries = 200_001
    large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, entries * 50, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    with pytest.raises(PackageRefused, match="has 200001 entries; 200000 are allowed"):
        unpack(large + locator + end, tmp_path / "code")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_with_a_comment_is_unpacked(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("app.py", "x = 1")
        package.comment = b"c" * 0xFFFF
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    assert unpack(tmp_path / "a.zip", tmp_path / "code") == 5
