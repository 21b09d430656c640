"""Deliveries from room to room: `call.deliver` on one side, `@target` on the other.

A delivery is a timer whose handler looks up the target's room. A `def` target takes it in one transaction with the removal of the row (exactly once); an `async def`
target at least once. A target that raises is tried again with growing pauses until the delivery is too old or was tried too often; then it goes to its dead letter, or is dropped
with a line in the log.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.auth.principals import Principal
from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call, Delivery
from groundcloud.kernel.service import Timer
from groundcloud.kernel.telemetry import CallRecord
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.ground import Ground

RETRY_FIRST_MS = 1_000
RETRY_MS_MAX = 3_600_000

_log = logging.getLogger("groundcloud.outbox")


class Outbox:
    def __init__(self, ground: Ground, targets: dict[str, str]) -> None:
        """`targets`: the service of an ARN ("sqs", "lambda", "states") -> the room that takes deliveries to it."""
        self._ground = ground
        self._targets = targets
        self._found: dict[str, tuple[Any, bool]] = {}
        self.handlers = {
            "kernel.deliver": Timer(self._deliver, False, False),
            "kernel.deliver-async": Timer(self._deliver_async, True, False),
        }

    def put(self, tx: Transaction, call: Call, delivery: Delivery) -> None:
        """Writes the row, unless the target's room knows by now that nobody would hear of it."""
        interested = self._interested(delivery.target_arn)
        if interested is not None and not interested(call, tx, delivery):
            return
        self._schedule(tx, call, delivery, self._ground.clock.now_ms())

    def _schedule(self, tx: Transaction, call: Call, delivery: Delivery, due_ms: int) -> None:
        name = "kernel.deliver-async" if self.is_async(delivery.target_arn) else "kernel.deliver"
        self._ground.timers.put(tx, call, due_ms, name, msgspec.msgpack.encode(delivery), None)

    def _target(self, target_arn: str) -> tuple[Any, bool]:
        """The function that takes deliveries to this ARN (None if there is none), and whether it is asynchronous."""
        service = target_arn.split(":", 3)[2] if arns.is_arn(target_arn) else ""
        found = self._found.get(service)
        if found is None:
            room = self._targets.get(service)
            function = None if room is None or room not in self._ground.rooms else self._ground.rooms.get(room).targets.get(service)
            found = self._found[service] = (function, inspect.iscoroutinefunction(function))
        return found

    def _interested(self, target_arn: str) -> Any:
        """The `interested` of the room that takes deliveries to this ARN."""
        room = self._targets.get(target_arn.split(":", 3)[2]) if arns.is_arn(target_arn) else None
        return self._ground.rooms.get(room).interested if room is not None and room in self._ground.rooms else None

    def takes(self, target_arn: str) -> bool:
        """Whether some room takes deliveries to this ARN."""
        return self._target(target_arn)[0] is not None

    def take(self, parent: Call, delivery: Delivery) -> Awaitable[None] | None:
        """Hands a delivery over now: in the parent's transaction, or as something to await where the target is asynchronous. Raises what the target raises.

        For rooms that retry by rules of their own; all others `put` and leave the rest to the outbox.
        """
        function, is_async = self._target(delivery.target_arn)
        if function is None:
            raise AwsError("ResourceNotFoundException", f"nothing takes deliveries to {delivery.target_arn}")
        call = self._call(parent, delivery)
        if not is_async:
            # A transaction of its own would commit apart from the row's removal: take the row's, and give up all of it on failure.
            call._tx = parent.tx.at(call.account, call.region)
        result: Awaitable[None] | None = function(call, delivery)
        return result

    def is_async(self, target_arn: str) -> bool:
        """Whether deliveries to this ARN are taken outside of a transaction."""
        return self._target(target_arn)[1]

    def _call(self, parent: Call, delivery: Delivery) -> Call:
        """The call in which the target runs: in the target's account and region, as the sender's principal."""
        target = arns.parse(delivery.target_arn)
        room = self._ground.rooms.get(self._targets[target.service])
        if delivery.principal.startswith("arn:"):
            principal = self._ground.assume(parent.reading(), delivery.principal, "groundcloud-delivery", None, delivery.source_arn)
        else:
            principal = Principal("service", delivery.principal)
        return Call(
            self._ground,
            room,
            "deliver",
            target.account or parent.account,
            target.region or parent.region,
            principal,
            source_arn=delivery.source_arn,
            source_account=parent.account,
            request_id=delivery.delivery_id or None,
        )

    def _deliver(self, parent: Call, raw: Any) -> None:
        delivery = msgspec.convert(raw, Delivery)
        tx = parent.tx
        savepoint = tx.savepoint()
        try:
            self.take(parent, delivery)
        except Exception as error:
            tx.roll_back_to(savepoint)
            self._failed(parent, tx, delivery, error)

    async def _deliver_async(self, parent: Call, raw: Any) -> None:
        delivery = msgspec.convert(raw, Delivery)
        try:
            waiting = self.take(parent, delivery)
            if waiting is not None:
                await waiting
        except Exception as error:
            with parent.transaction() as tx:
                self._failed(parent, tx, delivery, error)

    def _failed(self, call: Call, tx: Transaction, delivery: Delivery, error: Exception) -> None:
        now_ms = self._ground.clock.now_ms()
        refused = isinstance(error, AwsError)
        if not refused:
            _log.error("delivery to %s failed", delivery.target_arn, exc_info=error)
        wait_ms = min(RETRY_FIRST_MS << min(delivery.attempt - 1, 20), RETRY_MS_MAX)
        too_old = now_ms + wait_ms - delivery.created_ms > delivery.max_age_s * 1000
        if delivery.attempt < delivery.max_attempts and not too_old:
            self._schedule(tx, call, msgspec.structs.replace(delivery, attempt=delivery.attempt + 1), now_ms + wait_ms)
            return
        if delivery.dead_letter_arn:
            code = error.code if isinstance(error, AwsError) else "InternalFailure"
            attributes = {
                **delivery.attributes,
                "ERROR_CODE": code,
                "ERROR_MESSAGE": str(getattr(error, "message", error)),
                "TARGET_ARN": delivery.target_arn,
            }
            dead = Delivery(
                delivery.dead_letter_arn,
                delivery.payload,
                delivery.principal,
                delivery.source_arn,
                attributes,
                now_ms,
                86_400,
                10,
                "",
                1,
                delivery.delivery_id,
            )
            self._schedule(tx, call, dead, now_ms)
            return
        self._lost(call, delivery, error)
        _log.warning("delivery to %s dropped after %d attempts: %s", delivery.target_arn, delivery.attempt, error)

    def _lost(self, call: Call, delivery: Delivery, error: Exception) -> None:
        """Tells the readers of the telemetry, as a record of the sender's service."""
        parts = delivery.source_arn.split(":", 5)
        if len(parts) < 6:
            return
        self._ground.telemetry.emit(
            CallRecord(
                call.request_id,
                self._ground.clock.now_ms(),
                parts[4] or call.account,
                parts[3] or call.region,
                parts[2],
                "DeliveryLost",
                delivery.source_arn,
                delivery.principal,
                502,
                error.code if isinstance(error, AwsError) else "InternalFailure",
                0,
                dimensions=dict(delivery.attributes),
            )
        )
