"""The order in which resources are made: who depends on whom, and the refusal of circles. Names in, names out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from groundcloud.services.cloudformation import errors, intrinsics

_REFERRING = ("Properties", "Metadata", "CreationPolicy", "UpdatePolicy")


def dependencies(resources: Mapping[str, Mapping[str, Any]], conditions: Mapping[str, bool] | None = None) -> dict[str, set[str]]:
    """For each resource the resources that it needs first: DependsOn, and whatever it refers to along the branches taken."""
    needs: dict[str, set[str]] = {}
    for logical_id, resource in resources.items():
        depends_on = resource.get("DependsOn", [])
        names = {depends_on} if isinstance(depends_on, str) else set(depends_on)
        for member in _REFERRING:
            if member in resource:
                names.update(name for kind, name, _ in intrinsics.references(resource[member], conditions) if kind in ("Ref", "Fn::GetAtt"))
        needs[logical_id] = {name for name in names if name in resources}
    return needs


def order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The names such that each comes after all that it needs, otherwise in the order given. Raises ValidationError for a circle."""
    waiting = {name: set(needed) for name, needed in needs.items()}
    dependents: dict[str, list[str]] = {name: [] for name in needs}
    for name, needed in waiting.items():
        for other in needed:
            dependents[other].append(name)
    ready = [name for name, needed in waiting.items() if not needed]
    ordered: list[str] = []
    for name in ready:  # grows while it is walked
        ordered.append(name)
        for dependent in dependents[name]:
            waiting[dependent].discard(name)
            if not waiting[dependent]:
                ready.append(dependent)
    if len(ordered) < len(waiting):
        done = set(ordered)
        raise errors.validation(f"Circular dependency between resources: [{', '.join(name for name in waiting if name not in done)}]")
    return ordered


def reverse(needs: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """The same graph the other way round: who must be gone before a resource may go."""
    dependents: dict[str, set[str]] = {name: set() for name in needs}
    for name, needed in needs.items():
        for other in needed:
            if other in dependents:
                dependents[other].add(name)
    return dependents
