"""Resource types: how CloudFormation makes, changes and removes what a room owns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from groundcloud.base.errors import AwsError

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.kernel.service import Rooms


class Created(NamedTuple):
    """What exists now. `attributes` are what GetAtt gives; `ref` is what Ref gives where it is not the physical id."""

    physical_id: str
    attributes: dict[str, Any] = {}
    ref: str | None = None


@dataclass
class ResourceRequest:
    """One resource of a stack, its properties resolved. `old_properties` and `physical_id` are set for update and delete."""

    type_name: str
    logical_id: str
    properties: dict[str, Any]
    stack_name: str = ""
    stack_id: str = ""
    physical_id: str = ""
    old_properties: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    """The stack's tags, with aws:cloudformation:*; a type that takes tags adds them to its own."""
    random_suffix: str = ""
    """Twelve or more characters, the same for every try of this create."""
    token: str = ""
    """Idempotency token of this action."""

    def generated_name(self, max_length: int = 64, *, lower: bool = False, suffix_length: int = 12) -> str:
        """`stack-logical-SUFFIX`, cut so that it fits."""
        suffix = self.random_suffix[:suffix_length]
        head = f"{self.stack_name}-{self.logical_id}"[: max_length - len(suffix) - 1]
        name = f"{head}-{suffix}"
        return name.lower() if lower else name

    def changed(self, *names: str) -> bool:
        """Whether any of these properties differs from the old ones."""
        return any(self.properties.get(name) != self.old_properties.get(name) for name in names)


class ResourceType:
    """A type, written in a room's `resources.py` as a subclass with `@resource_type("AWS::X::Y")`.

    `properties` are those supported; any other fails the resource by name. `required` must be there. A change in one of `replaces` makes a new resource.
    `read_only` are properties accepted and kept without effect: leave it empty unless AWS itself has no effect to show here.
    """

    type_name: ClassVar[str] = ""
    properties: ClassVar[set[str]] = set()
    required: ClassVar[set[str]] = set()
    replaces: ClassVar[set[str]] = set()
    interruptible: ClassVar[bool] = False
    """Its steps only wait (for a signal, for a function's answer): a failing stack cancels them."""

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        raise NotImplementedError

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        raise NotImplementedError

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        """Succeeds if the thing is already gone."""
        raise NotImplementedError

    def check(self, properties: dict[str, Any]) -> None:
        """Raises AwsError ValidationError for properties that this type does not have, or lacks."""
        unknown = sorted(set(properties) - self.properties)
        if unknown:
            raise AwsError(
                "ValidationError",
                f"Properties validation failed for resource of type {self.type_name}: Groundcloud does not support {', '.join(unknown)}",
            )
        missing = sorted(self.required - set(properties))
        if missing:
            raise AwsError(
                "ValidationError",
                f"Properties validation failed for resource of type {self.type_name}: required key [{missing[0]}] not found",
            )


def resource_type(type_name: str) -> Any:
    """Marks a ResourceType with its CloudFormation name."""

    def mark(kind: type[ResourceType]) -> type[ResourceType]:
        kind.type_name = type_name
        return kind

    return mark


class ResourceTypes:
    """Every room's types; a room is imported when a type of its namespace is first asked for."""

    def __init__(self, rooms: Rooms, namespaces: dict[str, tuple[str, ...]]) -> None:
        """`namespaces`: "AWS::SQS" -> services whose rooms hold its types."""
        self._rooms = rooms
        self._namespaces = namespaces

    def find(self, type_name: str) -> ResourceType | None:
        if type_name.startswith("Custom::"):
            type_name = "AWS::CloudFormation::CustomResource"
        namespace = "::".join(type_name.split("::")[:2])
        for service in self._namespaces.get(namespace, ()):
            if service in self._rooms:
                found = self._rooms.get(service).resource_types.get(type_name)
                if found is not None:
                    return found  # type: ignore[no-any-return]
        return None

    def all(self) -> list[str]:
        names: set[str] = set()
        for services in self._namespaces.values():
            for service in services:
                if service in self._rooms:
                    names.update(self._rooms.get(service).resource_types)
        return sorted(names)


def coerced(shapes: dict[str, Any], shape_name: str, value: Any) -> Any:
    """A template's value as an operation's shape wants it: "5" -> 5, "true" -> True, 5 -> "5". What does not fit stays, for validation to refuse."""
    shape = shapes[shape_name]
    kind = shape["type"]
    if isinstance(value, dict):
        if kind == "structure" and not shape.get("document"):
            members = shape["members"]
            return {name: coerced(shapes, members[name]["shape"], item) if name in members else item for name, item in value.items()}
        if kind == "map":
            return {name: coerced(shapes, shape["value"]["shape"], item) for name, item in value.items()}
        return value
    if isinstance(value, list):
        return [coerced(shapes, shape["member"]["shape"], item) for item in value] if kind == "list" else value
    if kind == "string":
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, (int, float)) else value
    if isinstance(value, str):
        text = value.strip()
        if kind == "boolean" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind in ("integer", "long") and text.lstrip("-").isdecimal() and len(text) < 20:
            return int(text)
        if kind in ("float", "double"):
            try:
                return float(text)
            except ValueError:
                return value
    if kind in ("integer", "long") and isinstance(value, float) and value.is_integer():
        return int(value)
    return value
