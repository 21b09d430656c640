"""Templates: kept ones, and what can be said of one before it is used."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudformation import errors, includes, intrinsics, launch, parameters, preparation, state, template, validation
from groundcloud.services.cloudformation.operations import change_sets
from groundcloud.services.cloudformation.operations.stacks import stack_arn
from groundcloud.services.cloudformation.template import Template


@operation(resource=stack_arn)
def get_template(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Original as it was given, Processed as JSON after transforms (the original where there were none)."""
    name = request.get("StackName")
    if request.get("ChangeSetName"):
        change_set = change_sets.find(call, name, request["ChangeSetName"])
        source = state.SOURCES.get(call.tx, change_set.change_set_id, state.TARGET) or _current(call, change_set.stack_id)
    elif not name:
        raise errors.validation("Either StackName or ChangeSetName must be specified")
    else:
        stack = state.find_stack(call.tx, name)
        if stack is None:
            raise errors.stack_does_not_exist(name)
        source = _current(call, stack.stack_id)
    if source is None:
        raise errors.stack_does_not_exist(name or request["ChangeSetName"])
    original = template.parse(source.text)
    transformed = bool(original.get("Transform")) or includes.present(original)
    body = source.text
    if request.get("TemplateStage") == "Processed" and transformed:
        body = json.dumps(source.document)
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


@operation()
async def validate_template(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    found = await _read(call, await preparation.template_text(call, request))
    needed, types = _needs(found)
    return {
        "Parameters": [
            {
                "ParameterKey": name,
                "DefaultValue": intrinsics.text_of(parameter["Default"]) if "Default" in parameter else None,
                "NoEcho": parameters.is_hidden(parameter),
                "Description": parameter.get("Description"),
            }
            for name, parameter in found.parameters.items()
        ],
        "Description": found.description,
        "Capabilities": needed,
        "CapabilitiesReason": types,
        "DeclaredTransforms": list(found.transforms),
    }


@operation(resource=stack_arn)
async def get_template_summary(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if request.get("StackSetName"):
        raise errors.not_implemented("StackSetName")
    name = request.get("StackName")
    if name:
        stack = launch.required(call, name)
        text = launch.previous_text(call, stack)
        if text is None:
            # A stack that only a change set knows has the template of that change set.
            waiting = next(iter(state.CHANGE_SETS.scan(call.reading(), stack.stack_id, limit=1)), None)
            source = state.SOURCES.get(call.reading(), waiting.change_set_id, state.TARGET) if waiting is not None else None
            if source is None:
                raise errors.stack_does_not_exist(name)
            text = source.text
    else:
        text = await preparation.template_text(call, request)
    found = await _read(call, text)
    needed, reason = _needs(found)
    by_type: dict[str, list[str]] = {}
    for logical_id, resource in found.resources.items():
        by_type.setdefault(resource["Type"], []).append(logical_id)
    metadata = found.document.get("Metadata")
    return {
        "Parameters": [_declaration(parameter_name, parameter) for parameter_name, parameter in found.parameters.items()],
        "Description": found.description,
        "Capabilities": needed or None,
        "CapabilitiesReason": reason,
        "ResourceTypes": list(by_type),
        "Version": str(found.document["AWSTemplateFormatVersion"]) if "AWSTemplateFormatVersion" in found.document else None,
        "Metadata": json.dumps(metadata) if metadata is not None else None,
        "DeclaredTransforms": list(found.transforms),
        "ResourceIdentifierSummaries": [
            {"ResourceType": kind, "LogicalResourceIds": logical_ids, "ResourceIdentifiers": []} for kind, logical_ids in by_type.items()
        ],
    }


@operation()
def estimate_template_cost(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    raise errors.not_implemented("EstimateTemplateCost")


def _current(call: Call, stack_id: str) -> state.Source | None:
    return state.SOURCES.get(call.tx, stack_id, state.CURRENT) or state.SOURCES.get(call.tx, stack_id, state.TARGET)


async def _read(call: Call, text: str) -> Template:
    """The template as it stands, before transforms; without them, its references and types checked too."""
    document = await preparation.parsed(call, text)
    transforms = template.transforms_of(document)
    if transforms or includes.present(document):
        template.refuse_unusable(document)
        declared = template.declared_parameters(document)
        resources = document.get("Resources")
        shaped = {
            name: resource
            for name, resource in (resources.items() if isinstance(resources, dict) else ())
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str)
        }
        if not resources:
            raise errors.template_format("At least one Resources member must be defined.")
        description = document.get("Description")
        found = Template(
            document=document,
            description=description if isinstance(description, str) else None,
            parameters=declared,
            resources=shaped,
            transforms=transforms,
        )
    else:
        found = template.sections(document)
        validation.check_references(found)
        validation.check_types(found, lambda name: call.ground.resource_types.find(name) is not None)
    parameters.check_declarations(found.parameters)
    return found


def _needs(found: Template) -> tuple[list[str], str | None]:
    """The capabilities to give, and AWS's sentence for why."""
    needed, types = validation.capabilities_needed(found)
    reason = f"The following resource(s) require capabilities: [{', '.join(types)}]" if types else None
    if found.transforms:
        needed = [*needed, "CAPABILITY_AUTO_EXPAND"]
        reason = reason or f"The following transform(s) require capabilities: [{', '.join(found.transforms)}]"
    return needed, reason


def _declaration(name: str, parameter: dict[str, Any]) -> dict[str, Any]:
    allowed = [intrinsics.text_of(value) for value in parameter.get("AllowedValues", [])]
    return {
        "ParameterKey": name,
        "DefaultValue": intrinsics.text_of(parameter["Default"]) if "Default" in parameter else None,
        "ParameterType": parameter["Type"],
        "NoEcho": parameters.is_hidden(parameter),
        "Description": parameter.get("Description"),
        "ParameterConstraints": {"AllowedValues": allowed} if allowed else {},
    }
