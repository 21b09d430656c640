"""Versions that this machine lacks are fetched where a package manager has them. npm and uv are small stand-ins on the path."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from groundcloud.runtime import interpreters, launch, provision, resolve_runtime

NPM = """#!/bin/sh
echo "$@" >> CALLS
case "$*" in *"node@37") ;; *) exit 1 ;; esac
mkdir -p "$3/node_modules/node/bin"
printf '#!/bin/sh\\necho v37.1.0\\n' > "$3/node_modules/node/bin/node"
chmod +x "$3/node_modules/node/bin/node"
"""
UV = """#!/bin/sh
echo "$@" >> CALLS
[ "$4" = 3.18 ] || exit 1
mkdir -p "$UV_PYTHON_INSTALL_DIR/cpython-3.18.1-linux/bin"
printf '#!/bin/sh\\necho /nowhere\\n' > "$UV_PYTHON_INSTALL_DIR/cpython-3.18.1-linux/bin/python3.18"
chmod +x "$UV_PYTHON_INSTALL_DIR/cpython-3.18.1-linux/bin/python3.18"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What npm and uv were asked, on a machine that remembers nothing yet."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("npm", NPM), ("uv", UV)):
        (tools / name).write_text(text.replace("CALLS", str(tmp_path / "calls")))
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    monkeypatch.delenv(provision.SWITCH)
    monkeypatch.setattr(provision, "_failed", {})
    monkeypatch.setattr(interpreters, "node_installations", functools.cache(interpreters.node_installations.__wrapped__))
    monkeypatch.setattr(interpreters, "_resolve", functools.cache(interpreters._resolve.__wrapped__))
    return lambda: (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []


def test_a_node_that_is_missing_is_fetched_by_npm(calls: Callable[[], list[str]], tmp_path: Path) -> None:
    resolve_runtime("nodejs37.x") if interpreters.node_installations() else None
    assert calls() == []
    choice = resolve_runtime("nodejs37.x", strict=True, fetch=True)
    binary = tmp_path / "cache" / "groundcloud" / "node" / "37" / "node_modules" / "node" / "bin" / "node"
    assert (choice.version, choice.warning, choice.program) == ("37", None, binary)
    assert resolve_runtime("nodejs37.x") == resolve_runtime("nodejs37.x", fetch=True) == choice
    assert len(calls()) == 1


def test_sandboxes_see_what_is_fetched_later(calls: Callable[[], list[str]], tmp_path: Path) -> None:
    binds = launch.program_binds()
    place = tmp_path / "cache" / "groundcloud" / "node"
    assert (str(place), f"/var/programs{place}") in binds and place.is_dir()


def test_a_python_that_is_missing_is_fetched_by_uv(calls: Callable[[], list[str]], tmp_path: Path) -> None:
    assert resolve_runtime("python3.18").warning is not None
    choice = resolve_runtime("python3.18", strict=True, fetch=True)
    assert choice.version == "3.18" and str(choice.path).startswith(str(tmp_path / "uv"))
    assert calls() == ["python install --quiet 3.18"]


def test_what_nobody_has_is_asked_for_once_and_run_on_another(calls: Callable[[], list[str]]) -> None:
    for _ in range(2):
        assert resolve_runtime("python3.19", fetch=True).version != "3.19"
    assert len(calls()) == 1
    assert resolve_runtime("python2.7", fetch=True) and len(calls()) == 1  # uv has none
    assert not provision.provide("node", "36") and len(calls()) == 2


def test_nothing_is_fetched_where_that_is_switched_off(calls: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(provision.SWITCH, "no")
    assert not provision.provide("node", "37") and not provision.provide("python", "3.18")
    assert calls() == []
