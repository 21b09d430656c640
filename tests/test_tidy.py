"""The house stays tidy: floors and rooms (with import-linter's contracts), files, names, and what style.md forbids."""

import ast
import re
from pathlib import Path

import pytest

from groundcloud import app

SOURCE = Path(__file__).parent.parent / "src" / "groundcloud"
FILES = sorted(path for path in SOURCE.rglob("*.py"))
LINES_MAX = 560
FORBIDDEN_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)(_|$)")


def tree_of(path):
    return ast.parse(path.read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_short_named_well_and_says_what_it_holds(path):
    text = path.read_text()
    assert len(text.splitlines()) <= LINES_MAX, "split it by noun"
    assert not FORBIDDEN_NAMES.search(path.stem)
    assert text == "" or ast.get_docstring(tree_of(path)), "a file opens with what it holds"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_error_is_swallowed_and_no_stub_is_left(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in line {node.lineno}"
            body = [statement for statement in node.body if not isinstance(statement, ast.Expr)]
            broad = isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
            assert not (broad and body and all(isinstance(statement, ast.Pass) for statement in body)), f"swallowed in line {node.lineno}"
    assert not re.search(r"#\s*(TODO|FIXME|XXX)\b", path.read_text())


@pytest.mark.parametrize("service", sorted(app.SERVICES))
def test_a_room_has_its_files(service):
    package = app.SERVICES[service].partition(":")[0]
    room = SOURCE.parent / Path(*package.split("."))
    for name in ("__init__.py", "errors.py", "state.py"):
        if service == "sts" and name == "state.py":
            continue  # its sessions are sealed into their tokens
        assert (room / name).exists(), f"{room.name} lacks {name}"
    assert (SOURCE.parent.parent / "tests" / "services" / room.name).is_dir(), "a room has tests"


def test_every_service_loads_and_its_functions_are_operations():
    from groundcloud.kernel.service import Rooms

    rooms = Rooms(app.SERVICES)
    for service in app.SERVICES:
        room = rooms.get(service)
        assert room.operations, service
        assert room.timers is not None and room.targets is not None and room.endpoints is not None and room.resource_types is not None
