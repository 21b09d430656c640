"""Init without an interpreter around it: what it holds, and that it is assembled from its source."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from groundcloud.runtime.inside import linux, small_init
from groundcloud.runtime.process_tree import words_of

SOURCE = Path(small_init.__file__).with_suffix(".s")


def test_the_code_is_its_source_assembled(tmp_path: Path) -> None:
    if platform.machine() != "x86_64" or shutil.which("as") is None or shutil.which("objcopy") is None:
        pytest.skip("needs binutils for x86-64")
    subprocess.run(["as", "-o", tmp_path / "o", SOURCE], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", tmp_path / "o", tmp_path / "code"], check=True)
    assert (tmp_path / "code").read_bytes() == small_init._CODE


@pytest.mark.parametrize(("digits", "words"), [(b"AAAA", b"exit 0"), (b"ADAA", b"exit 3"), (b"AAAJ", b"signal 9"), (b"AAIL", b"signal 11")])
def test_a_status_in_words(digits: bytes, words: bytes) -> None:
    assert words_of(digits) == words


def test_init_holds_next_to_nothing(house: Any, sandbox: Any) -> None:
    if not house.pool.capabilities().namespaces or linux.MACHINE != "x86_64":
        pytest.skip(f"{linux.MACHINE}, {house.pool.capabilities().missing}")
    one = sandbox(
        house.function("import random, threading\ndef handler(e, c): return [random.random(), threading.main_thread().native_id]")
    )
    assert house.run(one.ready())
    rows = [line.split() for line in Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines()[1:]]
    assert sum(int(row[1]) for row in rows if row[0] == "Rss:") <= 16  # kilobytes


def test_sandboxes_have_random_numbers_and_thread_numbers_of_their_own(house: Any) -> None:
    source = "import os, random, threading\ndef handler(e, c): return [random.random(), threading.main_thread().native_id == os.getpid()]"
    first, second = house.answer(house.function(source)), house.answer(house.function(source))
    assert first[0] != second[0] and first[1] is second[1] is True
