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
    """How many invocations run when one begins, itself included: of its function, of the account, of those without reserved concurrency, and of its version."""

    function: int
    account: int
    unreserved: int
    version: int = 1
    provisioned: int = 0
    """What is provisioned for its version."""


class Gate:
    """The counters of one account and region."""

    __slots__ = ("_provisioned", "_requests", "_starts", "_versions", "reserved", "reserved_total", "running", "total", "unreserved")

    def __init__(self, reserved: dict[str, int]) -> None:
        self.running: dict[str, int] = {}
        self._versions: dict[tuple[str, str], int] = {}
        self._provisioned: dict[str, dict[str, tuple[str, int]]] = {}
        self.unreserved = self.total = 0
        self.reserve(reserved)
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

    def reserve(self, reserved: dict[str, int]) -> None:
        """What functions have reserved, by their names."""
        self.reserved = reserved
        self.reserved_total = sum(reserved.values())

    def provision(self, function_name: str, qualifier: str, version: str, environments: int) -> None:
        """So many are provisioned for the `version` that the `qualifier` names now; nobody else runs in their stead."""
        configs = self._provisioned.setdefault(function_name, {})
        if environments:
            configs[qualifier] = (version, environments)
        else:
            configs.pop(qualifier, None)
        if not configs:
            del self._provisioned[function_name]

    def enter(self, function: Function, version: str = "", ceiling: int | None = None) -> Running:
        """`ceiling`: how many invocations of this one `version` may run. Raises TooManyRequestsException. `leave` must follow.

        AWS: Understanding reserved and provisioned concurrency: what is provisioned for a version is of the function's reserved concurrency, or the
        account's, and is the version's alone; where all that is reserved is provisioned, $LATEST is throttled.
        """
        name = function.function_name
        running, of_version = self.running.get(name, 0), self._versions.get((name, version), 0)
        if ceiling is not None and of_version >= ceiling:
            raise errors.throttled("ConcurrentInvocationLimitExceeded")
        provisioned = sum(count for text, count in self._provisioned[name].values() if text == version) if name in self._provisioned else 0
        reserved = function.reserved_concurrency
        if of_version < provisioned:
            pass
        elif reserved is not None:
            if running + self._held(name) >= reserved:
                raise errors.throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        elif self.unreserved + self._held_without_reservation() >= ACCOUNT_CONCURRENCY - self.reserved_total:
            raise errors.throttled("ConcurrentInvocationLimitExceeded")
        if reserved is None:
            self.unreserved += 1
        self.running[name] = running + 1
        self._versions[name, version] = of_version + 1
        self.total += 1
        return Running(running + 1, self.total, self.unreserved, of_version + 1, provisioned)

    def leave(self, function: Function, version: str = "") -> None:
        """With what `enter` was given."""
        name = function.function_name
        self.total -= 1
        if left := self.running[name] - 1:
            self.running[name] = left
        else:
            del self.running[name]
        if left := self._versions[name, version] - 1:
            self._versions[name, version] = left
        else:
            del self._versions[name, version]
        if function.reserved_concurrency is None:
            self.unreserved -= 1

    def _held(self, name: str) -> int:
        """Environments that are provisioned for versions of the function and wait."""
        if name not in self._provisioned:
            return 0
        return sum(max(0, count - self._versions.get((name, text), 0)) for text, count in self._provisioned[name].values())

    def _held_without_reservation(self) -> int:
        return sum(self._held(name) for name in self._provisioned if name not in self.reserved)


class Gates:
    """One gate an account and region, made when first needed."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str], Gate] = {}

    def of(self, tx: Transaction) -> Gate:
        found = self._gates.get((tx.account, tx.region))
        if found is None:
            found = self._gates[tx.account, tx.region] = Gate(_reserved(tx))
        return found

    def reservations_changed(self, tx: Transaction) -> None:
        """To be called once the change is committed."""
        found = self._gates.get((tx.account, tx.region))
        if found is not None:
            found.reserve(_reserved(tx))


def of_server(call: Call) -> Gates:
    return call.own("gates", Gates)


def reserved_total(tx: Transaction) -> int:
    return sum(_reserved(tx).values())


def _reserved(tx: Transaction) -> dict[str, int]:
    reserved = ((function.function_name, function.reserved_concurrency) for function in FUNCTIONS.scan(tx))
    return {name: count for name, count in reserved if count is not None}
