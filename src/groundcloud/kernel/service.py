"""Rooms: how one is declared, found and loaded.

A room is a package whose `operations`, `workers` and `resources` modules hold decorated functions. The decorators only mark; `Service.load` reads the marks when
the room is first needed, so that starting a server imports no room.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.base.errors import AwsError
from groundcloud.wire import codec, model
from groundcloud.wire.message import HttpResponse

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call, Delivery
    from groundcloud.store import Transaction

Resource = str | Callable[["Call", dict[str, Any]], str | list[str]]
ContextOf = Callable[["Call", dict[str, Any]], dict[str, Any]]


class Access(NamedTuple):
    """One thing that the caller must be allowed."""

    action: str
    resource: str = "*"
    context: dict[str, Any] | None = None


class Operation:
    """A room's function for one operation of its API, with what the chain must know before calling it."""

    __slots__ = ("access", "action", "context", "function", "is_async", "name", "public", "raw", "resource")

    def __init__(
        self,
        function: Callable[..., Any],
        action: str | None,
        resource: Resource,
        context: ContextOf | None,
        access: Callable[[Call, dict[str, Any]], list[Access]] | None,
        public: bool,
        raw: bool,
    ) -> None:
        self.function = function
        self.action = action or ""
        self.resource = resource
        self.context = context
        self.access = access
        self.public = public
        self.raw = raw
        self.is_async = inspect.iscoroutinefunction(function)
        self.name = ""


def operation(
    *,
    action: str | None = None,
    resource: Resource = "*",
    context: ContextOf | None = None,
    access: Callable[[Call, dict[str, Any]], list[Access]] | None = None,
    public: bool = False,
    raw: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks the function of an API operation; see ARCHITECTURE.md, "Operations", for each argument."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__ground_operation__ = Operation(function, action, resource, context, access, public, raw)  # type: ignore[attr-defined]
        return function

    return mark


class Timer(NamedTuple):
    function: Callable[..., Any]
    is_async: bool
    background: bool


def timer(name: str, *, background: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks the handler of durable timers called `name` ("service.noun"). `background`: a loop that does not end; settling does not wait for it."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__ground_timer__ = (name, Timer(function, inspect.iscoroutinefunction(function), background))  # type: ignore[attr-defined]
        return function

    return mark


def target(service: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks the function that takes deliveries to ARNs of `service`."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__ground_target__ = service  # type: ignore[attr-defined]
        return function

    return mark


def endpoint(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks the function that answers plain HTTP on a data-plane host: `async def answer(call, http) -> HttpResponse | None`."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__ground_endpoint__ = name  # type: ignore[attr-defined]
        return function

    return mark


class Service:
    """A room. `name` is botocore's name of the service.

    `resource_policy(call, resource_arn) -> str | None` gives the policy document on a resource. `explain` words violations of shapes as this service does.
    `operations` names the module or package that holds the operations (for packages with two services). `validate=False` leaves the shapes' constraints to the room.
    `access_denied` is the code of a denial where it is not the protocol's usual one. `resource_policy_required`: where a resource has a policy, an identity
    policy counts only if that one names the account (KMS keys).
    `interested(call, tx, delivery) -> bool` is asked before a delivery to the room is written: False where it would be without effect (an event on a bus without rules).
    `finish(call, response)` may add headers to every answer, errors too, just before it leaves (S3's cross-origin rules).
    """

    def __init__(
        self,
        name: str,
        *,
        package: str,
        resource_policy: Callable[[Call, str], str | None] | None = None,
        explain: codec.Explain = codec.explain,
        operations: str = "operations",
        workers: str = "workers",
        validate: bool = True,
        access_denied: str | None = None,
        resource_policy_required: bool = False,
        action_prefix: str | None = None,
        finish: Callable[[Call, HttpResponse], None] | None = None,
        interested: Callable[[Call, Transaction, Delivery], bool] | None = None,
    ) -> None:
        self.name = name
        self.package = package
        self.resource_policy = resource_policy
        self.explain = explain
        self.validate = validate
        self.access_denied = access_denied
        self.resource_policy_required = resource_policy_required
        self._operations_module = operations
        self._workers_module = workers
        self._action_prefix = action_prefix
        self.finish = finish
        self.interested = interested

    @cached_property
    def model(self) -> model.Model:
        return model.load(self.name)

    @cached_property
    def codecs(self) -> codec.Codecs:
        return codec.Codecs(self.model)

    @property
    def action_prefix(self) -> str:
        """What stands before the colon in IAM actions."""
        return self._action_prefix or self.model.signing_name

    @cached_property
    def operations(self) -> dict[str, Operation]:
        """Operation name -> the room's function. Raises TypeError for a function that is no operation of the model."""
        found: dict[str, Operation] = {}
        for member in self._members(self._operations_module):
            marked = getattr(member, "__ground_operation__", None)
            if marked is None:
                continue
            name = self.model.by_function_name.get(member.__name__)
            if name is None:
                raise TypeError(f"{self.package}: {member.__name__} is no operation of {self.name}")
            marked.name = name
            marked.action = marked.action or f"{self.action_prefix}:{name}"
            found[name] = marked
        return found

    @cached_property
    def endpoints(self) -> dict[str, Callable[..., Any]]:
        return {
            member.__ground_endpoint__: member
            for member in self._members(self._operations_module)
            if hasattr(member, "__ground_endpoint__")
        }

    @cached_property
    def timers(self) -> dict[str, Timer]:
        return dict(member.__ground_timer__ for member in self._members(self._workers_module) if hasattr(member, "__ground_timer__"))

    @cached_property
    def targets(self) -> dict[str, Callable[..., Any]]:
        return {member.__ground_target__: member for member in self._members(self._workers_module) if hasattr(member, "__ground_target__")}

    @cached_property
    def resource_types(self) -> dict[str, Any]:
        return {member.type_name: member() for member in self._members("resources") if getattr(member, "type_name", "")}

    def _members(self, module_name: str) -> list[Any]:
        found: list[Any] = []
        for module in self._modules(module_name):
            for member in vars(module).values():
                if getattr(member, "__module__", None) == module.__name__ and member not in found:
                    found.append(member)
        return found

    def _modules(self, module_name: str) -> list[ModuleType]:
        full = f"{self.package}.{module_name}"
        if importlib.util.find_spec(full) is None:
            return []
        top = importlib.import_module(full)
        modules = [top]
        if hasattr(top, "__path__"):
            modules += [importlib.import_module(info.name) for info in pkgutil.walk_packages(top.__path__, full + ".")]
        return modules


class Rooms:
    """Every room of a server, by service; imported when first asked for."""

    def __init__(self, places: dict[str, str]) -> None:
        """`places`: botocore's service name -> "package" or "package:ATTRIBUTE" (default SERVICE)."""
        self._places = places
        self._loaded: dict[str, Service] = {}

    @property
    def names(self) -> list[str]:
        return list(self._places)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def get(self, name: str) -> Service:
        """Raises AwsError naming the service if this server has none of that name."""
        found = self._loaded.get(name)
        if found is None:
            place = self._places.get(name)
            if place is None:
                raise AwsError("NotImplementedException", f"Groundcloud does not implement the service {name!r} yet.", status=501)
            package, _, attribute = place.partition(":")
            found = self._loaded[name] = getattr(importlib.import_module(package), attribute or "SERVICE")
        return found
