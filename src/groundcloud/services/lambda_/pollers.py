"""What every event source mapping's loop does, whatever it reads: know whether it is still wanted, run the function on a batch, say what is wrong.

A loop belongs to one generation of its mapping: it ends when the generation changes; the update that changed it has started the next.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import execution, filters, metrics
from groundcloud.services.lambda_.durable import starts
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.reclaiming import NOT_READY
from groundcloud.services.lambda_.state import FUNCTIONS, MAPPINGS, VERSIONS, Mapping
from groundcloud.store import Watch, keys

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

PROBLEM_FIRST_MS = 1_000
PROBLEM_MS_MAX = 300_000
THROTTLED_FIRST_MS = 100
THROTTLED_MS_MAX = 5_000
PAYLOAD_BYTES_MAX = 6_291_456


class Poller:
    """One loop of one generation of a mapping."""

    def __init__(self, call: Call, mapping: Mapping) -> None:
        self.call = call
        self.mapping = mapping
        self.generation = mapping.generation
        self.name = FunctionName(call.account, call.region, mapping.function_name, mapping.qualifier)
        parts = mapping.source_arn.split(":")
        self.source_region, self.source_account = parts[3], parts[4]
        self.partial = "ReportBatchItemFailures" in (mapping.settings.get("FunctionResponseTypes") or ())
        self.filters = filters.compile_all(mapping.settings.get("FilterCriteria"))
        self._counted = "EventCount" in ((mapping.settings.get("MetricsConfig") or {}).get("Metrics") or ())
        self._problem_ms = PROBLEM_FIRST_MS

    def commits_of(self, service: str) -> Watch:
        """Any commit of the source's room in the source's place: tables are named "<service>/<noun>"."""
        return Watch(keys.pack((self.source_account, self.source_region)) + b"\x02" + f"{service}/".encode())

    def changes(self) -> Watch:
        """Any change of the mapping."""
        return MAPPINGS.watch(self.call, self.mapping.mapping_id)

    async def run(self) -> None:
        """Until the mapping is changed, switched off or deleted; batches under way are finished."""
        raise NotImplementedError

    def is_current(self) -> bool:
        mapping = MAPPINGS.get(self.call.reading(), self.mapping.mapping_id)
        if mapping is None or mapping.generation != self.generation or not mapping.enabled:
            return False
        self.mapping = mapping
        return True

    def count(self, **events: int) -> None:
        """AWS: "Event source mapping metrics", by their names; only for a mapping that is to have them."""
        if self._counted:
            self.measure(**events)

    def measure(self, **figures: int) -> None:
        if figures := {name: figure for name, figure in figures.items() if figure}:
            own = {"EventSourceMappingUUID": self.mapping.mapping_id}
            metrics.measure(self.call, self.call.account, self.call.region, own, **figures)

    async def request(self, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """An operation of the source, as the function's role."""
        role_arn = execution.target(self.call, self.name).version.role
        return await self.call.request(service, operation, params, as_=role_arn, account=self.source_account, region=self.source_region)

    async def problem(self, error: AwsError) -> None:
        """Says what is wrong and waits for a change of mapping or function, or for a while that grows."""
        self.say(f"PROBLEM: {error.message}")
        call = self.call
        watches = (
            self.changes(),
            FUNCTIONS.watch(call, self.name.name),
            VERSIONS.watch(call, self.name.name),
        )
        await call.wait(*watches, until_ms=call.clock.now_ms() + self._problem_ms)
        self._problem_ms = min(self._problem_ms * 2, PROBLEM_MS_MAX)

    def no_problem(self) -> None:
        self._problem_ms = PROBLEM_FIRST_MS
        if self.mapping.last_result.startswith("PROBLEM"):
            self.say("OK")

    def say(self, result: str) -> None:
        """Sets LastProcessingResult."""
        with self.call.transaction() as tx:
            mapping = MAPPINGS.get(tx, self.mapping.mapping_id)
            if mapping is not None and mapping.last_result != result:
                self.mapping = mapping.replace(last_result=result)
                MAPPINGS.put(tx, self.mapping)

    async def invoke(self, payload: bytes, give_up_ms: int | None, trace: str = "") -> tuple[execution.Outcome | None, AwsError | None]:
        """Runs the function. While it is throttled tries again, until virtual time reaches `give_up_ms`."""
        wait_ms = THROTTLED_FIRST_MS
        while True:
            call = self.call.as_principal(self.call.principal)
            target = execution.target(call, self.name)
            began_ns = time.perf_counter_ns()
            outcome, error = None, None
            with starts.busy(call, target):
                try:
                    outcome = await starts.run(call, target, payload, call.request_id, trace=trace)
                except AwsError as refused:
                    error = refused
            execution.record(call, target, began_ns, outcome, error, "lambda.amazonaws.com")
            if error is None:
                return outcome, None
            late = give_up_ms is not None and call.clock.now_ms() + wait_ms >= give_up_ms
            if late or (error.code != "TooManyRequestsException" and error.code not in NOT_READY) or not self.is_current():
                self.say(f"PROBLEM: {error.message}")
                return None, error
            await call.sleep_until(call.clock.now_ms() + wait_ms)
            wait_ms = min(wait_ms * 2, THROTTLED_MS_MAX)
