"""What durable executions keep.

lambda/durable              (execution_id)                            Execution
lambda/durable-names        (function_name, execution_name)           execution_id: a name starts one execution until that is forgotten
lambda/durable-of-function  (function_name, started_ms, execution_id) index: the executions of a function in the order of their start
lambda/durable-payloads     (execution_id, "input" | "result")        bytes: up to 6 MB, which every checkpoint would write again with the record
lambda/durable-operations   (execution_id, sequence)                  Operation, in the order in which they started
lambda/durable-places       (execution_id, operation_id)              the operation's sequence
lambda/durable-open         (execution_id, sequence)                  index: operations that something outside of the function will end
lambda/durable-history      (execution_id, event_id)                  Happening: one event of the history
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.lambda_.names import version_text
from groundcloud.store import Record, Table

RUNNING, SUCCEEDED, FAILED, TIMED_OUT, STOPPED = "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED"
PAUSING, PAUSED, DELETING = "PAUSING", "PAUSED", "DELETING"
ENDED = frozenset({SUCCEEDED, FAILED, TIMED_OUT, STOPPED, DELETING})

QUEUED, INVOKING, SUSPENDED = "queued", "invoking", "suspended"


class Execution(Record, kw_only=True):
    """`number` is the version that every invocation runs, 0 for $LATEST.

    `phase` says what the function does: QUEUED (a timer is to invoke it), INVOKING, SUSPENDED. `token` is the checkpoint token that is taken now, "" where none is;
    `spent_token` and `client_token` are those of the last checkpoint, and `answered` the operations that its answer held, so that it can be answered again.
    `news` are the operations that were changed from outside since the function was last told. `told` are those
    that checkpoints of this invocation have answered with: a branch that suspended before its answer came has not seen them. `failures` counts invocations in a row that broke.
    `parent_id`, `parent_sequence`: the chained invocation that started this one.
    `left_ms`: what was left of the execution timeout when a pause stopped it.
    """

    execution_id: str
    function_name: str
    number: int
    execution_name: str
    status: str
    started_ms: int
    timeout_s: int
    retention_days: int
    synchronous: bool
    input_digest: str
    ended_ms: int = 0
    error: dict[str, Any] | None = None
    trace: str = ""
    phase: str = QUEUED
    token: str = ""
    spent_token: str = ""
    client_token: str = ""
    checkpoint_ms: int = 0
    answered: tuple[int, ...] = ()
    news: tuple[int, ...] = ()
    failures: int = 0
    operations: int = 0
    stored_bytes: int = 0
    events: int = 0
    parent_id: str = ""
    parent_sequence: int = 0
    timeout_ms: int = 0
    pause_ms: int = 0
    paused_ms: int = 0
    pause_reason: str = ""
    pause_timeout: bool = True
    kms_key_arn: str = ""
    dead_letter_arn: str = ""
    left_ms: int = 0
    pause_token: str = ""
    resume_token: str = ""
    told: tuple[int, ...] = ()

    @property
    def version(self) -> str:
        return version_text(self.number)


class Operation(Record, kw_only=True):
    """`due_ms`: when a wait ends, a step is tried again, a callback's time is over. `attempt` counts the attempts of a step that have ended."""

    execution_id: str
    sequence: int
    operation_id: str
    kind: str
    status: str
    started_ms: int
    ended_ms: int = 0
    parent_id: str = ""
    name: str = ""
    sub_type: str = ""
    result: str | None = None
    error: dict[str, Any] | None = None
    attempt: int = 0
    due_ms: int = 0
    heartbeat_s: int = 0
    callback_id: str = ""
    replay_children: bool = False
    function_name: str = ""
    payload: str = ""
    trace: str = ""
    tries: int = 0


class Place(Record):
    execution_id: str
    operation_id: str
    sequence: int


class Happening(Record, kw_only=True):
    """An event of the history. `details` are the members of `<kind>Details`; timestamps in them are seconds.

    The input and the result of an execution are not in its events but in the payloads.
    """

    execution_id: str
    event_id: int
    kind: str
    at_ms: int
    operation_id: str = ""
    name: str = ""
    parent_id: str = ""
    sub_type: str = ""
    details: dict[str, Any] = {}


EXECUTIONS = Table("lambda/durable", Execution, key=("execution_id",))
NAMES = Table("lambda/durable-names", str, key=2)
OF_FUNCTION: Table[None] = Table("lambda/durable-of-function", None, key=("function_name", "started_ms", "execution_id"))
PAYLOADS = Table("lambda/durable-payloads", bytes, key=2)
OPERATIONS = Table("lambda/durable-operations", Operation, key=("execution_id", "sequence"))
PLACES = Table("lambda/durable-places", Place, key=("execution_id", "operation_id"))
OPEN: Table[None] = Table("lambda/durable-open", None, key=("execution_id", "sequence"))
HISTORY = Table("lambda/durable-history", Happening, key=("execution_id", "event_id"))
