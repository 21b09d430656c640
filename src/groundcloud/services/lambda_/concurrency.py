"""How many invocations run at once: of an account and region, and of functions that have some of it reserved; how many may begin a second, and how fast
a function grows. In memory, for it counts what runs here and now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.state import FUNCTIONS, Function
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

ACCOUNT_CONCURRENCY = 1000
UNRESERVED_MIN = 100
"""AWS: Lambda quotas, and PutFunctionConcurrency: what must stay unreserved."""
REQUESTS_PER_S = 10
"""AWS: Understanding concurrency, requests per second: so many synchronous ones for each unit of concurrency."""
STARTS = 1000
STARTS_PER_MS = STARTS / 10_000
"""AWS: Lambda scaling behaviour: a function may start a thousand environments every ten seconds."""


class Rate:
    """A bucket of tokens that fills as virtual time goes by."""

    __slots__ = ("_at_ms", "_tokens")

    def __init__(self, tokens: float, now_ms: int) -> None:
        self._tokens = tokens
        self._at_ms = now_ms

    def take(self, most: float, per_ms: float, now_ms: int) -> bool:
        """One token, if there is one."""
        self._tokens = min(most, self._tokens + (now_ms - self._at_ms) * per_ms)
        self._at_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Running(NamedTuple):
    """How many invocations run when one begins, itself included: of its function, of the account, and of those without reserved concurrency."""

    function: int
    account: int
    unreserved: int


class Gate:
    """The counters of one account and region."""

    __slots__ = ("_requests", "_starts", "reserved_total", "running", "total", "unreserved")

    def __init__(self, reserved_total: int) -> None:
        self.running: dict[str, int] = {}
        self.unreserved = self.total = 0
        self.reserved_total = reserved_total
        self._requests: dict[str, Rate] = {}
        self._starts: dict[str, Rate] = {}

    def count_request(self, function: Function, now_ms: int) -> None:
        """Of a synchronous invocation, before `enter`. Raises TooManyRequestsException."""
        reserved = function.reserved_concurrency
        if reserved == 0:
            return  # refused for that
        name, units = ("", ACCOUNT_CONCURRENCY) if reserved is None else (function.function_name, reserved)
        most = units * REQUESTS_PER_S
        rate = self._requests.get(name)
        if rate is None:
            rate = self._requests[name] = Rate(most, now_ms)
        if not rate.take(most, most / 1000, now_ms):
            kind = "" if reserved is None else "Reserved"
            raise errors.throttled(f"{kind}FunctionInvocationRateLimitExceeded")

    def count_start(self, function: Function, now_ms: int) -> None:
        """Of an invocation that no idle environment is there for. Raises TooManyRequestsException."""
        rate = self._starts.get(function.function_name)
        if rate is None:
            rate = self._starts[function.function_name] = Rate(STARTS, now_ms)
        if not rate.take(STARTS, STARTS_PER_MS, now_ms):
            raise errors.throttled("ConcurrentInvocationLimitExceeded")

    def enter(self, function: Function, version: str = "", ceiling: int | None = None) -> Running:
        """`ceiling`: how many invocations of this one `version` may run. Raises TooManyRequestsException. `leave` must follow."""
        name = function.function_name
        running = self.running.get(name, 0)
        of_version = f"{name}:{version}" if ceiling is not None else ""
        if ceiling is not None and self.running.get(of_version, 0) >= ceiling:
            raise errors.throttled("ConcurrentInvocationLimitExceeded")
        reserved = function.reserved_concurrency
        if reserved is not None:
            if running >= reserved:
                raise errors.throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        elif self.unreserved >= ACCOUNT_CONCURRENCY - self.reserved_total:
            raise errors.throttled("ConcurrentInvocationLimitExceeded")
        else:
            self.unreserved += 1
        self.running[name] = running + 1
        if ceiling is not None:
            self.running[of_version] = self.running.get(of_version, 0) + 1
        self.total += 1
        return Running(running + 1, self.total, self.unreserved)

    def leave(self, function: Function, version: str = "", ceiling: int | None = None) -> None:
        """With what `enter` was given."""
        name = function.function_name
        self.total -= 1
        for counted in (name,) if ceiling is None else (name, f"{name}:{version}"):
            left = self.running[counted] - 1
            if left:
                self.running[counted] = left
            else:
                del self.running[counted]
        if function.reserved_concurrency is None:
            self.unreserved -= 1


class Gates:
    """One gate an account and region, made when first needed."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str], Gate] = {}

    def of(self, tx: Transaction) -> Gate:
        found = self._gates.get((tx.account, tx.region))
        if found is None:
            found = self._gates[tx.account, tx.region] = Gate(reserved_total(tx))
        return found

    def reservations_changed(self, tx: Transaction) -> None:
        """To be called once the change is committed."""
        found = self._gates.get((tx.account, tx.region))
        if found is not None:
            found.reserved_total = reserved_total(tx)


def of_server(call: Call) -> Gates:
    return call.own("gates", Gates)


def reserved_total(tx: Transaction) -> int:
    return sum(function.reserved_concurrency or 0 for function in FUNCTIONS.scan(tx))
