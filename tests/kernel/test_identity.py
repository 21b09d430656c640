"""Keys that a server derives from its own."""

from __future__ import annotations

from pathlib import Path

from groundcloud.kernel.identity import Identities


def test_a_derived_key_is_the_same_after_a_restart_and_another_for_each_purpose(tmp_path: Path) -> None:
    key = Identities(tmp_path, True).derive(b"one")
    assert Identities(tmp_path, True).derive(b"one") == key
    assert len({key, Identities(tmp_path, True).derive(b"two"), Identities(None, True).derive(b"one")}) == 3
    assert len(key) == 32
