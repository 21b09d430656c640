"""What CloudFormation keeps: stacks, their resources, events, change sets, exports, and the operation under way.

cloudformation/stacks        (stack_id)                    Stack, deleted ones too
cloudformation/names         (stack_name)                  -> stack_id of the stack that lives
cloudformation/sources       (owner, slot)                 Source: a template; owner is a stack or change set id, slot below
cloudformation/resources     (stack_id, logical_id)        Resource
cloudformation/physical      (physical_id, stack_id, logical_id)   index of the resources that exist
cloudformation/events        (stack_id, sequence)          Event, oldest first
cloudformation/changesets    (stack_id, change_set_name)   ChangeSet
cloudformation/changesetids  (change_set_id)               -> (stack_id, change_set_name)
cloudformation/exports       (export_name)                 Export
cloudformation/imports       (export_name, stack_id)       index
cloudformation/operations    (stack_id)                    Operation under way; see deployment.py for its states
cloudformation/work          (stack_id, logical_id)        Work: what the operation does to one resource
cloudformation/leftovers     (stack_id, sequence)          Leftover: what is to be deleted in the clean-up
cloudformation/journal       (stack_id, token, number)     Answered: what a step was answered, should it be run again
cloudformation/signals       (stack_id, logical_id, unique_id)  Signal of a wait condition
cloudformation/responses     (token)                       Response of a custom resource
"""

from __future__ import annotations

from typing import Any

from groundcloud.store import Record, Table

CURRENT = "current"  # slots of a source: what the stack is
TARGET = "target"  # what the operation under way, or a change set, will make it


class Output(Record, frozen=True, kw_only=True):
    key: str
    value: str
    description: str | None = None
    export_name: str | None = None


class Stack(Record, frozen=True, kw_only=True):
    stack_id: str
    stack_name: str
    status: str
    created_ms: int
    status_reason: str | None = None
    updated_ms: int | None = None
    deleted_ms: int | None = None
    description: str | None = None
    parameters: dict[str, str] = {}  # their texts, as given or by default
    resolved: dict[str, str] = {}  # of those that name SSM parameters
    hidden: list[str] = []  # the names of NoEcho parameters
    tags: dict[str, str] = {}
    capabilities: list[str] = []
    outputs: list[Output] = []
    notification_arns: list[str] = []
    role_arn: str | None = None
    disable_rollback: bool = False
    timeout_minutes: int | None = None
    termination_protected: bool = False
    retain_except_on_create: bool = False
    policy: str | None = None
    rollback_configuration: dict[str, Any] = {}
    parent_id: str | None = None
    root_id: str | None = None
    change_set_id: str | None = None
    transforms: list[str] = []
    last_operation_id: str | None = None


class Source(Record, frozen=True, kw_only=True):
    owner: str
    slot: str
    text: str  # as it was given
    document: dict[str, Any]  # after transforms, long forms


class Resource(Record, frozen=True, kw_only=True):
    stack_id: str
    logical_id: str
    resource_type: str
    status: str
    updated_ms: int
    physical_id: str = ""
    reason: str | None = None
    properties: dict[str, Any] = {}  # resolved, as the type was given them
    attributes: dict[str, Any] = {}  # what Fn::GetAtt answers
    ref: str | None = None  # what Ref answers, where it is not the physical id
    definition: dict[str, Any] = {}  # as the template wrote it
    needs: list[str] = []

    @property
    def exists(self) -> bool:
        return self.status not in ("DELETE_COMPLETE", "DELETE_SKIPPED")

    @property
    def reference(self) -> str:
        return self.physical_id if self.ref is None else self.ref


class Event(Record, frozen=True, kw_only=True):
    stack_id: str
    sequence: int
    event_id: str
    stack_name: str
    logical_id: str
    physical_id: str
    resource_type: str
    status: str
    at_ms: int
    reason: str | None = None
    properties: str | None = None
    token: str | None = None
    operation_id: str | None = None


class ChangeSet(Record, frozen=True, kw_only=True):
    stack_id: str
    change_set_name: str
    change_set_id: str
    stack_name: str
    kind: str  # CREATE or UPDATE
    status: str
    execution_status: str
    created_ms: int
    status_reason: str | None = None
    description: str | None = None
    on_failure: str | None = None
    include_nested: bool = False
    stack: Stack | None = None  # the stack as executing makes it
    changes: list[dict[str, Any]] = []


class Export(Record, frozen=True, kw_only=True):
    export_name: str
    stack_id: str
    value: str


class Operation(Record, frozen=True, kw_only=True):
    stack_id: str
    operation_id: str
    kind: str  # CREATE, UPDATE or DELETE
    phase: str
    started_ms: int
    deadline_ms: int | None = None
    on_failure: str = "ROLLBACK"  # of a creation: ROLLBACK, DELETE, DO_NOTHING; of an update: ROLLBACK, DO_NOTHING
    token: str | None = None
    before: Stack | None = None  # of an update, what a rollback returns to
    failure: str | None = None
    cancelled: str | None = None  # why, where somebody asked to stop
    retained: list[str] = []  # by DeleteStack's RetainResources
    skipped: list[str] = []  # by ContinueUpdateRollback's ResourcesToSkip


class Work(Record, frozen=True, kw_only=True):
    stack_id: str
    logical_id: str
    action: str  # create, replace, update, none
    state: str  # doing, done, failed, undone
    generated_name: str
    before: Resource | None = None


class Leftover(Record, frozen=True, kw_only=True):
    stack_id: str
    sequence: int
    resource: Resource
    why: str  # replaced, removed, made (by an operation that is undone)


class Failure(Record, frozen=True, kw_only=True):
    code: str
    message: str
    status: int | None
    fields: dict[str, Any]


class Answered(Record, frozen=True, kw_only=True):
    stack_id: str
    token: str
    number: int
    request: str  # service, operation and a digest of the parameters
    answer: Any
    error: Failure | None = None


class Signal(Record, frozen=True, kw_only=True):
    stack_id: str
    logical_id: str
    unique_id: str
    status: str
    reason: str = ""
    content: str = ""


class Bearer(Record, frozen=True, kw_only=True):
    bearer_token: str
    account: str
    region: str
    stack_id: str
    logical_id: str
    kind: str  # signal or response
    request_id: str


class Response(Record, frozen=True, kw_only=True):
    bearer_token: str
    document: dict[str, Any]


STACKS = Table("cloudformation/stacks", Stack, key=("stack_id",))
NAMES = Table("cloudformation/names", str, key=1)
SOURCES = Table("cloudformation/sources", Source, key=("owner", "slot"))
RESOURCES = Table("cloudformation/resources", Resource, key=("stack_id", "logical_id"))
PHYSICAL: Table[None] = Table("cloudformation/physical", None, key=("physical_id", "stack_id", "logical_id"))
EVENTS = Table("cloudformation/events", Event, key=("stack_id", "sequence"))
CHANGE_SETS = Table("cloudformation/changesets", ChangeSet, key=("stack_id", "change_set_name"))
CHANGE_SET_IDS = Table("cloudformation/changesetids", tuple[str, str], key=1)
EXPORTS = Table("cloudformation/exports", Export, key=("export_name",))
IMPORTS: Table[None] = Table("cloudformation/imports", None, key=("export_name", "stack_id"))
OPERATIONS = Table("cloudformation/operations", Operation, key=("stack_id",))
WORK = Table("cloudformation/work", Work, key=("stack_id", "logical_id"))
LEFTOVERS = Table("cloudformation/leftovers", Leftover, key=("stack_id", "sequence"))
JOURNAL = Table("cloudformation/journal", Answered, key=("stack_id", "token", "number"))
SIGNALS = Table("cloudformation/signals", Signal, key=("stack_id", "logical_id", "unique_id"))
BEARERS = Table("cloudformation/bearers", Bearer, key=("bearer_token",), scope="global")
HANDLERS = Table("cloudformation/handlers", str, key=2)
RESPONSES = Table("cloudformation/responses", Response, key=("bearer_token",))


def find_stack(tx: Any, stack: str) -> Stack | None:
    """The stack of a name (living) or an id (deleted too)."""
    if stack.startswith("arn:"):
        return STACKS.get(tx, stack)
    stack_id = NAMES.get(tx, stack)
    return None if stack_id is None else STACKS.get(tx, stack_id)


def put_resource(tx: Any, resource: Resource) -> None:
    """Writes a resource and keeps the index of physical ids in step."""
    old = RESOURCES.get(tx, resource.stack_id, resource.logical_id)
    if old is not None and old.physical_id and old.physical_id != resource.physical_id:
        PHYSICAL.delete(tx, old.physical_id, old.stack_id, old.logical_id)
    RESOURCES.put(tx, resource)
    if resource.physical_id and resource.exists:
        PHYSICAL.put(tx, resource.physical_id, resource.stack_id, resource.logical_id)
    elif resource.physical_id:
        PHYSICAL.delete(tx, resource.physical_id, resource.stack_id, resource.logical_id)


def delete_resource(tx: Any, stack_id: str, logical_id: str) -> None:
    old = RESOURCES.get(tx, stack_id, logical_id)
    if old is not None:
        RESOURCES.delete(tx, stack_id, logical_id)
        if old.physical_id:
            PHYSICAL.delete(tx, old.physical_id, stack_id, logical_id)


def resources_of(tx: Any, stack_id: str) -> dict[str, Resource]:
    return {resource.logical_id: resource for resource in RESOURCES.scan(tx, stack_id)}


def imports_of(tx: Any, stack_id: str, names: set[str], old: set[str]) -> None:
    """Makes `names` the exports that a stack uses, where they were `old`."""
    for name in old - names:
        IMPORTS.delete(tx, name, stack_id)
    for name in names:
        IMPORTS.put(tx, name, stack_id)


def put_exports(tx: Any, stack: Stack, old: list[Output]) -> None:
    """Makes the exports of a stack those of its outputs. Uniqueness and use have been checked."""
    names = {output.export_name for output in stack.outputs if output.export_name is not None}
    for output in old:
        if output.export_name is not None and output.export_name not in names:
            EXPORTS.delete(tx, output.export_name)
    for output in stack.outputs:
        if output.export_name is not None:
            EXPORTS.put(tx, Export(export_name=output.export_name, stack_id=stack.stack_id, value=output.value))


def forget_stack(tx: Any, stack_id: str) -> None:
    """Every row of a stack that was deleted."""
    for change_set in list(CHANGE_SETS.scan(tx, stack_id)):
        CHANGE_SET_IDS.delete(tx, change_set.change_set_id)
        SOURCES.delete(tx, change_set.change_set_id, TARGET)
    tables: list[Table[Any]] = [CHANGE_SETS, SOURCES, RESOURCES, EVENTS, SIGNALS, LEFTOVERS, WORK, JOURNAL]
    for table in tables:
        for key in list(table.keys(tx, stack_id)):
            table.delete(tx, *key)
    STACKS.delete(tx, stack_id)
