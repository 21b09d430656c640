"""A stack's outputs, the exports among them, and the exports of others that it uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from groundcloud.services.cloudformation import characters, errors, intrinsics, state, validation
from groundcloud.services.cloudformation.intrinsics import NO_VALUE, Scope
from groundcloud.services.cloudformation.state import Output, Stack
from groundcloud.services.cloudformation.template import Template

_EXPORT_NAME = re.compile(r"[A-Za-z0-9:\-]{1,255}")


def outputs(made: Template, scope: Scope) -> tuple[list[Output], set[str]]:
    """The stack's outputs, and the names of the exports that its template imports."""
    found: list[Output] = []
    for name, output in made.outputs.items():
        if "Condition" in output and not scope.conditions[output["Condition"]]:
            continue
        value = intrinsics.resolve(output["Value"], scope)
        if isinstance(value, (dict, list)) or value is NO_VALUE:
            raise errors.template_format(f"The Value field of every Outputs member must evaluate to a String. [/Outputs/{name}]")
        characters.refuse_unwritable(f"Output {name}", intrinsics.text_of(value))
        export_name = None
        if "Export" in output:
            export_name = intrinsics.resolve(output["Export"]["Name"], scope)
            if not isinstance(export_name, str) or not _EXPORT_NAME.fullmatch(export_name):
                raise errors.template_format(
                    f"Output {name} is malformed. The Name field of every Export member must be specified and consist only of"
                    " alphanumeric characters, colons, or hyphens."
                )
        found.append(Output(key=name, value=intrinsics.text_of(value), description=output.get("Description"), export_name=export_name))
    active = validation.active(made, scope.conditions)
    imported = set(imports_in([resource.get("Properties", {}) for resource in active.values()], scope))
    imported.update(imports_in(list(made.outputs.values()), scope))
    return found, imported


def imports_in(value: Any, scope: Scope) -> Iterator[str]:
    """The names of the exports that a value uses, along the branches taken."""
    if isinstance(value, list):
        for item in value:
            yield from imports_in(item, scope)
    elif isinstance(value, dict):
        if len(value) == 1 and "Fn::ImportValue" in value:
            name = intrinsics.resolve(value["Fn::ImportValue"], scope)
            if isinstance(name, str):
                yield name
        elif len(value) == 1 and "Fn::If" in value and isinstance(value["Fn::If"], list) and len(value["Fn::If"]) == 3:
            condition, true, false = value["Fn::If"]
            yield from imports_in(true if scope.conditions.get(condition) else false, scope)
        else:
            for item in value.values():
                yield from imports_in(item, scope)


def check(tx: Any, stack: Stack, now: list[Output], before: list[Output]) -> None:
    """An export's name is one stack's, and what others use can neither go nor change."""
    names = {output.export_name: output.value for output in now if output.export_name is not None}
    if len(names) < sum(output.export_name is not None for output in now):
        raise errors.validation("Duplicate Export names in the Outputs of the template.")
    for name in names:
        export = state.EXPORTS.get(tx, name)
        if export is not None and export.stack_id != stack.stack_id:
            raise errors.validation(f"Export with name {name} is already exported by stack {_name_of(tx, export.stack_id)}.")
    for output in before:
        if output.export_name is None or names.get(output.export_name) == output.value:
            continue
        users = sorted(_name_of(tx, stack_id) for _, stack_id in state.IMPORTS.keys(tx, output.export_name))
        if users:
            verb = "updated" if output.export_name in names else "deleted"
            raise errors.validation(f"Export {output.export_name} cannot be {verb} as it is in use by {', '.join(users)}")


def _name_of(tx: Any, stack_id: str) -> str:
    stack = state.STACKS.get(tx, stack_id)
    return stack.stack_name if stack is not None else stack_id
