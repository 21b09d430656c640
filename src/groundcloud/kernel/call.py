"""The call: what an operation is given beside its request. See ARCHITECTURE.md, "The call".

The same type serves a client's call, a request between rooms, a timer and a delivery; they differ in principal and in whether there is an HTTP request.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from groundcloud.auth.principals import Principal
from groundcloud.base import ids
from groundcloud.base.arn import PARTITION
from groundcloud.base.errors import AwsError
from groundcloud.kernel import authorization
from groundcloud.kernel.identity import Session, SessionCredentials
from groundcloud.store import Blobs, DiskFull, Transaction, Watch
from groundcloud.wire.message import HttpRequest

if TYPE_CHECKING:
    from groundcloud.kernel.ground import Ground
    from groundcloud.kernel.service import Service

T = TypeVar("T")


class Delivery(msgspec.Struct, frozen=True, array_like=True):
    """A payload on its way to a target. `principal` is a service principal (`s3.amazonaws.com`) or a role ARN."""

    target_arn: str
    payload: bytes
    principal: str
    source_arn: str = ""
    attributes: dict[str, str] = {}
    created_ms: int = 0
    max_age_s: int = 86_400
    max_attempts: int = 185
    dead_letter_arn: str = ""
    attempt: int = 1
    delivery_id: str = ""

    @property
    def text(self) -> str:
        return self.payload.decode()


class Call:
    """One call, on the event loop's thread."""

    __slots__ = (
        "_reading",
        "_tx",
        "account",
        "dimensions",
        "endpoint_host",
        "ground",
        "http",
        "now_ms",
        "operation",
        "parent",
        "partition",
        "position",
        "principal",
        "region",
        "request_id",
        "resource",
        "room",
        "session",
        "source_account",
        "source_arn",
        "units",
    )

    def __init__(
        self,
        ground: Ground,
        room: Service | None,
        operation: str,
        account: str,
        region: str,
        principal: Principal,
        *,
        session: Session | None = None,
        http: HttpRequest | None = None,
        source_arn: str = "",
        source_account: str = "",
        parent: Call | None = None,
        request_id: str | None = None,
    ) -> None:
        self.ground = ground
        self.room = room
        self.operation = operation
        self.account = account
        self.region = region
        self.partition = PARTITION
        self.principal = principal
        self.session = session
        self.http = http
        self.source_arn = source_arn
        self.source_account = source_account
        """Of a call by a service principal: the account for which the service acts."""
        self.parent = parent
        self.now_ms = ground.clock.now_ms()
        self.request_id = request_id or ids.uuid_text(ground.random)
        self.position = 0
        self.resource = ""
        self.dimensions: dict[str, str] = {}
        self.units: dict[str, float] = {}
        self._tx: Transaction | None = None
        self._reading: Transaction | None = None

    # What the call is about

    @property
    def service(self) -> str:
        return self.room.name if self.room is not None else ""

    @property
    def now_s(self) -> int:
        return self.now_ms // 1000

    @property
    def clock(self) -> Any:
        return self.ground.clock

    @property
    def random(self) -> Any:
        return self.ground.random

    @property
    def settings(self) -> Any:
        return self.ground.settings

    @property
    def blobs(self) -> Blobs:
        return self.ground.blobs

    @property
    def endpoint(self) -> str:
        """The server as this client reached it, without a trailing slash; the server's own address where there was no client."""
        call: Call | None = self
        while call is not None:
            if call.http is not None and call.http.host:
                return f"{call.http.scheme}://{_bare_host(call.http.host)}"
            call = call.parent
        return str(self.ground.settings.endpoint)

    @property
    def log(self) -> logging.Logger:
        return logging.getLogger(f"groundcloud.{self.service or 'kernel'}")

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def new_id(self) -> str:
        return ids.uuid_text(self.ground.random)

    def token(self, digits: int) -> str:
        return ids.hex_text(self.ground.random, digits)

    # State

    @property
    def tx(self) -> Transaction:
        """The transaction of a `def` operation. An `async def` one opens its own with `transaction`."""
        if self._tx is None:
            raise RuntimeError("no transaction here: an async operation opens one with `with call.transaction() as tx:`")
        return self._tx

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A short transaction; nothing is awaited inside. Within a `def` operation it is the ambient one."""
        if self._tx is not None:
            yield self._tx
            return
        tx = self.ground.store.transaction(self.account, self.region)
        self._tx = tx
        try:
            with tx:
                yield tx
        finally:
            self._tx = None
        self._committed()

    def run(self, function: Callable[[Call, dict[str, Any]], Any], params: dict[str, Any]) -> Any:
        """A `def` operation in its transaction: what `with call.transaction()` does, without the price of a context manager on every call."""
        tx = self._tx = self.ground.store.transaction(self.account, self.region)
        try:
            result = function(self, params)
            if self.parent is not None:
                self.parent.answered(self, result)
            tx.commit()
        finally:
            self._tx = None
        self._committed()
        return result

    def _committed(self) -> None:
        position = self.ground.store.position
        call: Call | None = self
        while call is not None:  # whoever answers for this call answers for its writes
            call.position = position
            call = call.parent

    def reading(self) -> Transaction:
        """The ambient transaction if there is one, else a view for reading alone."""
        if self._tx is not None:
            return self._tx
        if self._reading is None:
            self._reading = self.ground.store.transaction(self.account, self.region)
        return self._reading

    async def durable(self) -> None:
        """Returns when everything committed so far is on disk; the chain does this before any answer."""
        await self.ground.store.durable()

    # Permission

    def authorize(self, action: str, resource: str, context: dict[str, Any] | None = None) -> None:
        """Raises AWS's AccessDenied unless this call's principal may do `action` on `resource`. The resource policy is the room's own."""
        policy = self._policy_of(action)
        authorization.authorize(self, action, resource, context, policy)

    def _policy_of(self, action: str) -> Any:
        """The room's resource policies, where the action is of the room's own service."""
        room = self.room
        return room.resource_policy if room is not None and action.partition(":")[0].lower() == room.action_prefix.lower() else None

    def allowed(self, action: str, resource: str, context: dict[str, Any] | None = None) -> bool:
        policy = self._policy_of(action)
        decision = authorization.decide(self, action, resource, context, policy)
        return decision is None or decision.allowed

    def assume_role(
        self,
        role_arn: str,
        session_name: str,
        *,
        service_principal: str,
        duration_s: int = 3600,
        source_arn: str = "",
        context: dict[str, str] | None = None,
    ) -> SessionCredentials:
        """Credentials of a role for a service (a function's execution role); `context`: condition keys of whatever they sign.

        Raises AwsError AccessDenied if its trust policy does not name the service.
        """
        principal = self.ground.assume(self.reading(), role_arn, session_name, service_principal, source_arn)
        return self.ground.identities.issue(self.ground.random, principal, self.clock.now_s(), duration_s, context=context)

    # Doors

    async def request(
        self,
        service: str,
        operation: str,
        params: dict[str, Any],
        *,
        as_: str | None = None,
        source_arn: str = "",
        account: str | None = None,
        region: str | None = None,
    ) -> dict[str, Any]:
        """An operation of another room (or this one), through the same chain, under IAM. See ARCHITECTURE.md, "Doors". Raises AwsError."""
        return await self.ground.chain.request(
            self, service, operation, params, as_=as_, source_arn=source_arn, account=account, region=region
        )

    def answered(self, child: Call, result: dict[str, Any] | None) -> None:
        """Called in the transaction of a `def` operation that this call requested: what must be written together with it (CloudFormation's journal)."""

    def deliver(
        self,
        target_arn: str,
        payload: str | bytes,
        *,
        principal: str,
        source_arn: str = "",
        attributes: dict[str, str] | None = None,
        max_age_s: int = 86_400,
        max_attempts: int = 185,
        dead_letter_arn: str = "",
        tx: Transaction | None = None,
    ) -> None:
        """Writes an outbox row in the transaction; after its commit the kernel hands the payload to the target, with retries and then the dead letter."""
        delivery = Delivery(
            target_arn,
            payload.encode() if isinstance(payload, str) else payload,
            principal,
            source_arn,
            attributes or {},
            self.now_ms,
            max_age_s,
            max_attempts,
            dead_letter_arn,
            1,
            ids.uuid_text(self.ground.random),
        )
        self.ground.outbox.put(tx or self.tx, self, delivery)

    def schedule(self, due_ms: int, name: str, payload: Any = None, *, key: str | None = None, tx: Transaction | None = None) -> None:
        """A durable timer: the `@timer(name)` handler runs once virtual time reaches `due_ms`. `key` replaces the earlier timer of that name and key."""
        self.ground.timers.put(tx or self.tx, self, due_ms, name, payload, key)

    def unschedule(self, name: str, key: str, *, tx: Transaction | None = None) -> None:
        self.ground.timers.remove(tx or self.tx, name, key)

    # Waiting

    async def wait(self, *watches: Watch, until_ms: int | None = None) -> bool:
        """Sleeps until a commit touches a watched key (True) or virtual time reaches `until_ms` (False)."""
        return await self.ground.timers.wait(self.ground.store, watches, until_ms)

    async def sleep_until(self, at_ms: int) -> None:
        """Sleeps on the virtual clock."""
        await self.ground.timers.wait(self.ground.store, (), at_ms)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Work of a background loop that settling must wait for."""
        self.ground.timers.busy += 1
        try:
            yield
        finally:
            self.ground.timers.busy -= 1

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Blocking or heavy work, outside of any transaction."""
        return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)

    def own(self, key: str, factory: Callable[[], T]) -> T:
        """A process-wide object of this room, made once; its `aclose` or `close` is called when the server ends. Never the only copy of state."""
        return self.ground.own(f"{self.service}/{key}", factory)

    def as_principal(
        self, principal: Principal, *, account: str | None = None, region: str | None = None, room: Service | None = None
    ) -> Call:
        """A call of its own for background work under another identity."""
        return Call(self.ground, room or self.room, self.operation, account or self.account, region or self.region, principal, parent=self)


def _bare_host(host: str) -> str:
    """The host without the label that names a bucket or an API: `b.s3.localhost:4566` -> `localhost:4566`; an address stays."""
    name, colon, port = host.partition(":")
    if name == "localhost" or name.endswith(".localhost"):
        return f"localhost{colon}{port}"
    if name.endswith(".localhost.localstack.cloud"):
        return f"localhost.localstack.cloud{colon}{port}"
    return host


def service_principal(name: str) -> Principal:
    return Principal("service", name)


def refuse(error: Exception) -> AwsError:
    """An unexpected fault as the error that a client may see: nothing of its inside, but that the disk is full, which somebody can mend."""
    if isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        sentence = "The disk of this Groundcloud server is full. What it acknowledged is kept; make space and try again."
        return AwsError("ServiceUnavailable", sentence, status=503)
    return AwsError("InternalFailure", "The request processing has failed because of an unknown error, exception or failure.", status=500)
