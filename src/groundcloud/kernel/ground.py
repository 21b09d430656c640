"""A server's parts, put together: store, clock, rooms, chain, timers, outbox, telemetry. `app.py` says which rooms there are; `http/` lets clients in."""

from __future__ import annotations

import asyncio
import fcntl
import inspect
import logging
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from groundcloud.auth import policy
from groundcloud.auth.principals import Principal
from groundcloud.base.clock import Clock
from groundcloud.base.errors import AwsError
from groundcloud.kernel.authorization import Decisions, PrincipalPolicies, compiled
from groundcloud.kernel.call import Call
from groundcloud.kernel.chain import Chain
from groundcloud.kernel.faults import Faults
from groundcloud.kernel.identity import Directory, EmptyDirectory, Identities, Session
from groundcloud.kernel.outbox import Outbox
from groundcloud.kernel.resource import ResourceTypes
from groundcloud.kernel.service import Rooms, Timer
from groundcloud.kernel.settings import Settings
from groundcloud.kernel.telemetry import FLUSH_EVERY_S, Reader, Telemetry
from groundcloud.kernel.timers import Timers
from groundcloud.store import Blobs, Record, Store, Table, Transaction

if TYPE_CHECKING:
    from groundcloud.store.engines import Engine

T = TypeVar("T")
LOCK_FILE = "ground.lock"
TEMPORARY_PREFIX = "groundcloud-"

_log = logging.getLogger("groundcloud")


class ClockState(Record):
    name: str
    offset_ns: int
    frozen_ns: int | None = None


CLOCK = Table("kernel/clock", ClockState, key=("name",), scope="global")


class DataDirectoryInUse(Exception):
    """Another server holds this data directory; the message says which process."""


class Ground:
    """Made on the event loop that will run it; `start` and `close` once each."""

    def __init__(
        self,
        settings: Settings,
        places: dict[str, str],
        *,
        namespaces: dict[str, tuple[str, ...]] | None = None,
        targets: dict[str, str] | None = None,
        directory: Directory | None = None,
        readers: tuple[Callable[[Ground], Reader], ...] = (),
        clock: Clock | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.settings = settings
        self._lock = _hold(settings.data_dir) if not settings.memory else None
        self.clock = clock or Clock()
        self.random = random.Random(settings.seed) if settings.seed is not None else random.Random()
        self.store = Store(engine or _engine(settings))
        self.blobs = Blobs(settings.data_dir / "blobs", self.store)
        self.rooms = Rooms(places)
        self.directory: Directory = directory or EmptyDirectory()
        self.identities = Identities(None if settings.memory else settings.data_dir, settings.loopback)
        self.principal_policies = PrincipalPolicies(self.directory)
        self.decisions = Decisions()
        self.faults = Faults(self.random)
        self.telemetry = Telemetry()
        self.resource_types = ResourceTypes(self.rooms, namespaces or {})
        self.timers = Timers(self)
        self.outbox = Outbox(self, targets or {})
        self.chain = Chain(self)
        self._owned: dict[str, Any] = {}
        self._readers = readers
        self._flusher: asyncio.Task[None] | None = None

    def start(self) -> None:
        state = CLOCK.get(self.store.transaction(), "clock")
        if state is not None:
            self.clock.restore(state.offset_ns, state.frozen_ns)
        self.blobs.sweep()
        for make in self._readers:
            self.telemetry.add_reader(make(self))
        self.timers.start()
        self._flusher = asyncio.get_running_loop().create_task(self._flush_forever())

    async def close(self) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
        await self.timers.close()
        for owned in reversed(list(self._owned.values())):
            close = getattr(owned, "aclose", None) or getattr(owned, "close", None)
            if close is not None:
                result = close()
                if inspect.isawaitable(result):
                    await result
        self.store.close()
        if self._lock is not None:
            os.close(self._lock)
        if self.settings.memory:
            shutil.rmtree(self.settings.data_dir, ignore_errors=True)

    def own(self, key: str, factory: Callable[[], T]) -> T:
        found = self._owned.get(key)
        if found is None:
            found = self._owned[key] = factory()
        return found  # type: ignore[no-any-return]

    def save_clock(self) -> None:
        """The clock's offset survives a restart."""
        with self.store.transaction() as tx:
            CLOCK.put(tx, ClockState("clock", self.clock.offset_ns, self.clock.frozen_ns))
        self.timers.poke()

    def timer_handler(self, name: str) -> Timer:
        """Raises KeyError if no room has a handler of that name."""
        if name in self.outbox.handlers:
            return self.outbox.handlers[name]
        return self.rooms.get(name.partition(".")[0]).timers[name]

    def background_call(
        self, service: str, operation: str, account: str, region: str, principal: Principal, session: Session | None = None
    ) -> Call:
        room = self.rooms.get(service) if service in self.rooms else None
        return Call(self, room, operation, account, region, principal, session=session)

    def assume(self, tx: Transaction, role_arn: str, session_name: str, service_principal: str | None, source_arn: str = "") -> Principal:
        """The session of a role for a service. Raises AwsError AccessDenied where the role is missing or does not trust the service.

        `service_principal` None: a service that already holds the role (deliveries under a role that was checked when it was given).
        """
        role = self.directory.role(tx, role_arn)
        if role is None:
            raise AwsError("AccessDenied", f"The role {role_arn} cannot be assumed: it does not exist.", status=403)
        account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
        if service_principal is not None:
            caller = Principal("service", service_principal)
            trust = compiled(role.trust_policy, "trust", role_arn)
            context: dict[str, Any] = (
                {"aws:SourceArn": source_arn, "aws:SourceAccount": account} if source_arn else {"aws:SourceAccount": account}
            )
            request = policy.Request(caller, "sts:AssumeRole", role_arn, context, account)
            decision = policy.evaluate(request, policy.Policies(resource=trust, resource_policy_required=True))
            if not decision.allowed:
                raise AwsError(
                    "AccessDenied",
                    f"The role {role_arn} cannot be assumed by {service_principal}: its trust policy does not allow it.",
                    status=403,
                )
        session_arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}"
        return Principal("role-session", session_arn, account, role_arn, f"{role.unique_id}:{session_name}")

    def flush_telemetry(self) -> None:
        try:
            self.telemetry.flush()
        except Exception:
            _log.exception("a reader of the telemetry failed")

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self.flush_telemetry()


def _engine(settings: Settings) -> Engine:
    if settings.memory:
        from groundcloud.store.engines.memory import MemoryEngine

        return MemoryEngine()
    from groundcloud.store.engines.rocks import RocksEngine

    return RocksEngine(settings.data_dir / "store")


def _hold(data_dir: Path) -> int:
    """Locks the data directory for this process, for as long as it lives. Raises DataDirectoryInUse."""
    data_dir.mkdir(parents=True, exist_ok=True)
    os.chmod(data_dir, 0o700)
    descriptor = os.open(data_dir / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 64).decode(errors="replace").strip()
        os.close(descriptor)
        raise DataDirectoryInUse(f"{data_dir} is in use by another Groundcloud server (process {holder or 'unknown'}).") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def memory_settings(**changes: Any) -> Settings:
    """For a server that keeps nothing: its files are in a temporary directory, and those of servers that were killed are removed."""
    import psutil

    for left in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*-*"):
        owner = left.name.removeprefix(TEMPORARY_PREFIX).partition("-")[0]
        if owner.isdigit() and len(owner) < 10 and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return Settings(data_dir=Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{os.getpid()}-")), memory=True, **changes)
