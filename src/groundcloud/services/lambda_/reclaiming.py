"""What AWS takes back from versions that nobody invokes: network interfaces of a VPC, the optimised form of an image, a SnapStart snapshot.

Active --not invoked for 14 days--> Inactive --an invocation, which is refused--> Pending --made again--> Active. A durable timer ("lambda.idle")
looks whether a version with an image or a VPC was idle; `snapshots` does for versions with SnapStart. AWS: "Lambda function states"; "Giving Lambda
functions access to resources in an Amazon VPC": 14 days; "Create a Lambda function using a container image": "multiple weeks", here as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import PROVISIONED, USES, VERSIONS, Use, Version
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

DAY_MS = 86_400_000
IDLE_MS = 14 * DAY_MS
"""Also AWS: "Activating and managing Lambda SnapStart", SnapStart and Lambda function states."""

NOTED_MS = DAY_MS
"""How exactly the last use of a version is known after a restart."""

NOT_READY = frozenset({"ResourceNotReadyException", "CodeArtifactUserPendingException", "SnapStartNotReadyException"})
"""What the one who woke a version is answered; whoever tries again soon finds it Active."""


def holds_something(version: Version) -> bool:
    """Whether AWS would have something to take back of it, snapshots aside. The network of a capacity provider is the provider's."""
    if version.kept.get("CapacityProviderConfig"):
        return False
    return version.code.image is not None or bool((version.kept.get("VpcConfig") or {}).get("SubnetIds"))


def expect(tx: Transaction, call: Call, version: Version) -> None:
    """Looks at the version when it may be idle. To be called when it is made, changed or woken."""
    if holds_something(version):
        _look(tx, call, version, call.clock.now_ms() + IDLE_MS)


def _look(tx: Transaction, call: Call, version: Version, due_ms: int) -> None:
    place = [version.function_name, version.number]
    call.schedule(due_ms, "lambda.idle", place, key=f"{version.function_name}:{version.number}", tx=tx)


def note_use(call: Call, name: FunctionName, version: Version) -> None:
    """That it is invoked now."""
    with call.transaction() as own:
        USES.put(
            own.at(name.account, name.region), Use(function_name=version.function_name, number=version.number, used_ms=call.clock.now_ms())
        )


def reclaim(tx: Transaction, call: Call, version: Version, used_ms: int) -> bool:
    """Makes the version Inactive if it has been idle; else looks again later. `used_ms`: its last use since the server started, 0 for none."""
    if version.state != "Active" or not holds_something(version):
        return False
    kept = USES.get(tx, version.function_name, version.number)
    before_ms = kept.used_ms + NOTED_MS if kept is not None else 0
    idle_at_ms = max(used_ms or before_ms, version.last_modified_ms) + IDLE_MS
    if any(True for _ in PROVISIONED.keys(tx, version.function_name)):
        idle_at_ms = call.clock.now_ms() + IDLE_MS
    if call.clock.now_ms() < idle_at_ms:
        _look(tx, call, version, idle_at_ms)
        return False
    VERSIONS.put(tx, idle(version))
    return True


def idle(version: Version) -> Version:
    return version.replace(state="Inactive", state_reason="The function is idle.")


def active(version: Version) -> Version:
    return version if version.state == "Active" else version.replace(state="Active", state_reason="", state_reason_code="")


def wake(tx: Transaction, call: Call, version: Version) -> None:
    """In the background."""
    VERSIONS.put(tx, version.replace(state="Pending", state_reason="The function is being restored."))
    timer = "lambda.snapshot" if version.snap_start else "lambda.restore"
    call.schedule(call.clock.now_ms(), timer, [version.function_name, version.number], tx=tx)


def check_ready(call: Call, name: FunctionName, version: Version) -> None:
    """Raises AwsError while a version cannot be invoked; an inactive one wakes."""
    if version.state == "Active":
        return
    if version.state != "Inactive":
        raise errors.not_in_state(version.state)
    with call.transaction() as tx:
        wake(tx.at(name.account, name.region), call, version)
    if version.snap_start:
        raise errors.snap_start_not_ready()
    raise errors.image_not_ready() if version.code.image is not None else errors.network_not_ready()
