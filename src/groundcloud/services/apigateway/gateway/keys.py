"""API keys and usage plans: who may call a method that asks for a key, how often, and how much a day.

What a key may do is kept by its value until a key, a plan or a plan's keys change (one read of GENERATIONS a request). Quotas count in memory and are
written behind; AWS's are best effort too.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.services.apigateway.gateway.compiled import CompiledRoute, CompiledStage
from groundcloud.services.apigateway.gateway.exchange import Exchange, Refusal
from groundcloud.services.apigateway.gateway.throttles import Throttles
from groundcloud.services.apigateway.state import API_KEYS, GENERATIONS, KEY_PLANS, KEY_VALUES, USAGE, USAGE_PLANS, Usage
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

GRANTS_CACHED = 10_000
COUNTS_CACHED = 200_000
WRITE_BEHIND_S = 0.2
DAY_S = 86_400


class Grant(msgspec.Struct, frozen=True):
    """What one usage plan gives one key: its stages ("api:stage" -> method throttles), throttle and quota."""

    key_id: str
    plan_id: str
    stages: dict[str, dict[str, Any]]
    throttle: dict[str, Any] | None
    quota: dict[str, Any] | None


class Grants:
    def __init__(self) -> None:
        self._generations: dict[tuple[str, str], int] = {}
        self._grants: dict[tuple[str, str, str], tuple[Grant, ...]] = {}

    def of(self, tx: Transaction, value: str) -> tuple[Grant, ...]:
        place = (tx.account, tx.region)
        found = GENERATIONS.get(tx, "keys")
        generation = found.count if found is not None else 0
        if self._generations.get(place) != generation or len(self._grants) >= GRANTS_CACHED:
            self._grants = {key: grants for key, grants in self._grants.items() if key[:2] != place}
            self._generations[place] = generation
        key = (*place, value)
        grants = self._grants.get(key)
        if grants is None:
            grants = _grants_of(tx, value)
            if len(self._grants) < GRANTS_CACHED:
                self._grants[key] = grants
        return grants


class Meter:
    """Requests counted against quotas: (plan, key, day) -> used. Written to USAGE a moment after they change."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str, str, str, str], int] = {}
        self._changed: dict[tuple[str, str, str, str, str], int] = {}
        self._task: asyncio.Task[None] | None = None
        self._call: Call | None = None

    def used(self, tx: Transaction, plan_id: str, key_id: str, day: str) -> int:
        key = (tx.account, tx.region, plan_id, key_id, day)
        found = self._used.get(key)
        if found is None:
            if len(self._used) >= COUNTS_CACHED:
                self._used = {each: self._used[each] for each in self._changed}
            row = USAGE.get(tx, plan_id, key_id, day)
            found = self._used[key] = row.used if row is not None else 0
        return found

    def count(self, call: Call, plan_id: str, key_id: str, day: str, remaining: int) -> None:
        key = (call.account, call.region, plan_id, key_id, day)
        self._used[key] = self._used.get(key, 0) + 1
        self._changed[key] = remaining
        self._call = call
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write(call))

    def forget(self, account: str, region: str, plan_id: str, key_id: str) -> None:
        """The store was changed by a client: read it again."""
        for key in [key for key in self._used if key[:4] == (account, region, plan_id, key_id)]:
            del self._used[key]
            self._changed.pop(key, None)

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._call is not None:
            self._flush(self._call)

    async def _write(self, call: Call) -> None:
        with call.busy():
            await asyncio.sleep(WRITE_BEHIND_S)
            self._flush(call)

    def _flush(self, call: Call) -> None:
        changed, self._changed = self._changed, {}
        if changed:
            with call.ground.store.transaction() as tx:
                for (account, region, plan_id, key_id, day), remaining in changed.items():
                    used = self._used[account, region, plan_id, key_id, day]
                    USAGE.put(tx.at(account, region), Usage(plan_id, key_id, day, used, remaining))


def admit(exchange: Exchange, stage: CompiledStage, route: CompiledRoute, throttles: Throttles) -> None:
    """Raises INVALID_API_KEY, THROTTLED or QUOTA_EXCEEDED. Counts the request against the key's quota."""
    call = exchange.call
    value = exchange.http.headers.get("x-api-key", "") if stage.api_key_source == "HEADER" else exchange.usage_key
    if not value:
        raise Refusal("INVALID_API_KEY", reason="API Key required")
    tx = call.reading()
    place = f"{stage.api_id}:{stage.name}"
    grant = next((grant for grant in call.own("grants", Grants).of(tx, value) if place in grant.stages), None)
    if grant is None:
        raise Refusal("INVALID_API_KEY", reason="The API key is not valid, not enabled, or in no usage plan of this stage")
    exchange.api_key, exchange.api_key_id = value, grant.key_id
    own = grant.stages[place]
    throttle = own.get(f"{route.path}/{exchange.method}") or own.get(route.key.partition(" ")[2] + "/*") or grant.throttle
    if throttle:
        scope = (grant.plan_id, grant.key_id, f"{route.path}/{exchange.method}" if throttle is not grant.throttle else "")
        rate, burst = float(throttle.get("rateLimit", 0)), float(throttle.get("burstLimit", 0))
        if not throttles.take(scope, rate, burst, call.now_ms):
            raise Refusal("THROTTLED")
    meter = call.own("meter", Meter)
    day = time.strftime("%Y-%m-%d", time.gmtime(call.now_s))
    if grant.quota:
        limit = int(grant.quota.get("limit", 0))
        used = sum(meter.used(tx, grant.plan_id, grant.key_id, each) for each in days_of(grant.quota, call.now_s))
        if used >= limit:
            raise Refusal("QUOTA_EXCEEDED")
        meter.used(tx, grant.plan_id, grant.key_id, day)
        meter.count(call, grant.plan_id, grant.key_id, day, limit - used - 1)
    else:
        meter.used(tx, grant.plan_id, grant.key_id, day)
        meter.count(call, grant.plan_id, grant.key_id, day, 0)


def days_of(quota: dict[str, Any], now_s: int) -> list[str]:
    """The days of the quota's period so far, today last. A week begins on Sunday, a month on its first, each `offset` days later."""
    today = now_s // DAY_S
    at = time.gmtime(now_s)
    offset = int(quota.get("offset") or 0)
    period = quota.get("period", "DAY")
    if period == "WEEK":
        begun = ((at.tm_wday + 1) - offset) % 7
    elif period == "MONTH":
        begun = at.tm_mday - 1 - offset
        if begun < 0:
            begun += time.gmtime(now_s - at.tm_mday * DAY_S).tm_mday
    else:
        begun = 0
    return [time.strftime("%Y-%m-%d", time.gmtime(day * DAY_S)) for day in range(today - begun, today + 1)]


def _grants_of(tx: Transaction, value: str) -> tuple[Grant, ...]:
    key_id = KEY_VALUES.get(tx, value)
    key = API_KEYS.get(tx, key_id) if key_id is not None else None
    if key is None or not key.enabled:
        return ()
    grants = []
    for _, plan_id in KEY_PLANS.keys(tx, key.key_id):
        plan = USAGE_PLANS.get(tx, plan_id)
        if plan is not None:
            stages = {f"{each['apiId']}:{each['stage']}": each.get("throttle") or {} for each in plan.api_stages}
            grants.append(Grant(key.key_id, plan_id, stages, plan.throttle, plan.quota))
    return tuple(grants)
