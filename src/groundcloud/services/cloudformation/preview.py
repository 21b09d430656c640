"""What an update would do, before anything is done: the changes of a change set, and whether there are any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from groundcloud.kernel.resource import ResourceType
from groundcloud.services.cloudformation import changes, graph, intrinsics, validation
from groundcloud.services.cloudformation.intrinsics import KNOWN_AFTER_APPLY
from groundcloud.services.cloudformation.preparation import Prepared
from groundcloud.services.cloudformation.state import Resource, Stack


def preview(
    prepared: Prepared,
    stack: Stack,
    existing: Mapping[str, Resource],
    kind_of: Callable[[str], ResourceType | None],
    imported: Callable[[str], Any],
    tags: Mapping[str, str],
) -> list[dict[str, Any]]:
    """The `Changes` of a change set, in the order in which they would be made. `stack` is the one that exists, `tags` its new tags."""
    resources = validation.active(prepared.template, prepared.scope.conditions)
    needs = graph.dependencies(resources, prepared.scope.conditions)
    causes = changes.Causes(
        parameters={name for name, text in prepared.texts.items() if stack.parameters.get(name) != text or name in prepared.stored}
    )
    refs: dict[str, Resource | None] = {}

    def reference(name: str) -> Any:
        resource = refs.get(name)
        return resource.reference if resource is not None else KNOWN_AFTER_APPLY

    def attribute(name: str, attribute_name: str) -> Any:
        resource = refs.get(name)
        return resource.attributes.get(attribute_name, KNOWN_AFTER_APPLY) if resource is not None else KNOWN_AFTER_APPLY

    scope = replace(prepared.scope, reference=reference, attribute=attribute, imported=imported)
    found: list[dict[str, Any]] = []
    for name in graph.order(needs):
        definition = resources[name]
        kind = kind_of(definition["Type"])
        behaviour = changes.Behaviour(frozenset(kind.replaces) if kind is not None else frozenset())
        after = changes.After(definition["Type"], intrinsics.resolve(definition.get("Properties", {}), scope), definition)
        resource = existing.get(name)
        before = None
        if resource is not None and resource.exists and resource.physical_id:
            before = changes.Before(resource.resource_type, resource.physical_id, resource.properties, resource.definition)
        change = changes.resource_change(name, before, after, behaviour, causes)
        if before is not None and kind is not None:
            failed = resource is not None and resource.status in ("UPDATE_FAILED", "CREATE_FAILED")
            if change is None and (failed or getattr(kind, "always_updates", False)):
                change = changes.automatic_change(name, before)
            if stack.tags != tags and "Tags" in kind.properties:
                change = changes.with_tags(name, before, change)
        refs[name] = resource if before is not None and (change is None or change["Replacement"] == "False") else None
        if change is not None:
            if before is None or change["Replacement"] != "False":
                causes.resources.add(name)
            found.append({"Type": "Resource", "ResourceChange": change})
    for name, resource in existing.items():
        if name not in resources and resource.exists:
            gone = changes.Before(resource.resource_type, resource.physical_id, resource.properties, resource.definition)
            policy = {"Retain": "Retain", "RetainExceptOnCreate": "Retain", "Snapshot": "Snapshot"}.get(
                str(resource.definition.get("DeletionPolicy", "Delete")), "Delete"
            )
            change = changes.resource_change(name, gone, None, changes.Behaviour(), causes, policy)
            assert change is not None
            found.append({"Type": "Resource", "ResourceChange": change})
    return found


def differs_otherwise(prepared: Prepared, stack: Stack, updated: Stack, before: Mapping[str, Any] | None) -> bool:
    """Whether an update that changes no resource changes something else that AWS counts: outputs, tags, topics or the role.

    `before` is the document that the stack was made of.
    """
    if stack.tags != updated.tags or stack.notification_arns != updated.notification_arns:
        return True
    if before is None:
        return True
    return bool(before.get("Outputs", {}) != prepared.template.outputs)


def types_changed(prepared: Prepared, existing: Mapping[str, Resource]) -> list[str]:
    """The logical ids whose type an update would change, which AWS refuses."""
    return [
        name
        for name, resource in prepared.template.resources.items()
        if name in existing and existing[name].exists and existing[name].physical_id and existing[name].resource_type != resource["Type"]
    ]
