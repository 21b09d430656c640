"""The docs stay true: generated pages are current, every command and option is described, every setting named in the README exists."""

import importlib.util
import re
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent


def module_at(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_coverage_page_is_current():
    assert (ROOT / "docs" / "coverage.md").read_text() == module_at(ROOT / "tools" / "write_coverage.py").page(), "run `make docs`"


def commands(group, prefix="ground"):
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")


def test_every_command_and_option_explains_itself():
    from groundcloud.cli.main import main

    for name, command in commands(main):
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"


def test_the_command_page_is_current():
    assert (ROOT / "docs" / "commands.md").read_text() == module_at(ROOT / "tools" / "write_commands.py").page(), "run `make docs`"


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
