"""The Extensions API of one sandbox: programs of layers (external) and threads of the function (internal) that follow its life.

AWS: "Using the Lambda Extensions API", version 2020-01-01. States of an extension, and what moves it:

    (started) --register--> registered --event/next--> waiting --INVOKE, SHUTDOWN--> working --event/next--> waiting
    any --init/error, exit/error--> failed

The runtime starts when every external extension has registered; the initialisation ends when it and they wait for their first event; an
invocation ends when it has answered and they wait for the next.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Literal

from groundcloud.runtime.api_http import ACCEPTED, METHOD_NOT_ALLOWED, NOT_FOUND, Answer, Request, document, refusal
from groundcloud.runtime.function import Invocation

PREFIX = "/2020-01-01/extension/"
# AWS: Lambda quotas, extensions.
EXTENSIONS_MAX = 10
SHUTDOWN_S = 2.0
_BODY_BYTES_MAX = 256 * 1024
_EVENTS = frozenset(("INVOKE", "SHUTDOWN"))
IDENTIFIER = "lambda-extension-identifier"


class Extension:
    """One that has registered."""

    def __init__(self, name: str, events: frozenset[str], *, external: bool) -> None:
        self.name, self.events, self.external = name, events, external
        self.state: Literal["registered", "waiting", "working", "failed"] = "registered"
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.error = ("", "")
        """"InitError" or "ExitError", and the extension's own word for it."""


class Extensions:
    """`external`: the programs that are started. `about`: functionName, functionVersion, handler. `on_change` is called whenever one moves."""

    def __init__(self, external: tuple[str, ...], about: Mapping[str, str], on_change: Callable[[], None]) -> None:
        self.external = external
        self.closed = False
        """The initialisation is over: no more may register."""
        self.failure: tuple[str, bytes] | None = None
        self.found: dict[str, Extension] = {}
        self.last: str | None = None
        """The name of the one whose end ends the sandbox: it is told to shut down when `tell_last` is called."""
        self._held: tuple[Extension, dict[str, Any]] | None = None
        self._about = about
        self._on_change = on_change

    @property
    def all_registered(self) -> bool:
        names = {extension.name for extension in self.found.values()}
        return all(name in names for name in self.external)

    @property
    def settled(self) -> bool:
        """True if every one of them waits for an event."""
        return self.all_registered and all(extension.state == "waiting" for extension in self.found.values())

    def states(self) -> list[dict[str, Any]]:
        """What the platform says of each at the end of the initialisation."""
        found: list[dict[str, Any]] = []
        for extension in self.found.values():
            state = extension.error[0] or ("Registered" if extension.state == "registered" else "Ready")
            found.append({"name": extension.name, "state": state, "events": sorted(extension.events)})
            if extension.error[1]:
                found[-1]["errorType"] = extension.error[1]
        registered = {extension.name for extension in self.found.values()}
        return found + [{"name": name, "state": "Started", "events": []} for name in self.external if name not in registered]

    def invoked(self, invocation: Invocation, deadline_ms: int) -> None:
        event: dict[str, Any] = {
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms,
            "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.function_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id or ""},
        }
        self._send("INVOKE", event)

    def shut_down(self, reason: str, deadline_ms: int) -> bool:
        """Tells those who want to know; False if nobody does."""
        return self._send("SHUTDOWN", {"eventType": "SHUTDOWN", "deadlineMs": deadline_ms, "shutdownReason": reason})

    def tell_last(self) -> None:
        if self._held is not None:
            extension, event = self._held
            self._held = None
            extension.inbox.put_nowait(event)

    def _send(self, kind: str, event: dict[str, Any]) -> bool:
        told = False
        for extension in self.found.values():
            if kind in extension.events and extension.state != "failed":
                extension.state = "working"
                told = True
                if kind == "SHUTDOWN" and extension.name == self.last:
                    self._held = extension, event
                else:
                    extension.inbox.put_nowait(event)
        return told

    async def answer(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix(PREFIX).split("/"):
            case "POST", ["register"]:
                return await self._register(request)
            case "GET", ["event", "next"]:
                return await self._next(request)
            case "POST", ["init" | "exit" as phase, "error"]:
                return await self._fail(request, phase)
            case _, ["register"] | ["event", "next"] | ["init" | "exit", "error"]:
                return METHOD_NOT_ALLOWED
        return NOT_FOUND

    def known(self, request: Request) -> Extension | Answer:
        """Who asks, or the refusal."""
        identifier = request.headers.get(IDENTIFIER)
        if not identifier:
            return refusal(403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
        try:
            uuid.UUID(identifier)
        except ValueError:
            return refusal(403, "Extension.InvalidExtensionIdentifier", f"Invalid Lambda-Extension-Identifier: {identifier[:100]}")
        found = self.found.get(identifier)
        return found or refusal(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")

    async def _register(self, request: Request) -> Answer:
        body = await request.read(_BODY_BYTES_MAX)
        name = request.headers.get("lambda-extension-name", "")
        if not name:
            return refusal(403, "Extension.InvalidExtensionName", "Invalid Lambda-Extension-Name")
        try:
            events = frozenset(json.loads(body or b"{}").get("events", ()))
        except (ValueError, AttributeError, TypeError, RecursionError):
            return refusal(400, "InvalidRequestFormat", "Could not parse the request body")
        external = name in self.external
        if events - _EVENTS:
            return refusal(403, "Extension.InvalidEventType", f"Invalid event type: {sorted(map(str, events - _EVENTS))[0]}")
        if not external and "SHUTDOWN" in events:
            return refusal(
                403,
                "ShutdownEventNotSupportedForInternalExtension",
                f"{name}: event type SHUTDOWN is not supported for internal extensions",
            )
        if self.closed:
            return refusal(403, "Extension.RegistrationClosed", "Extension registration closed already")
        if any(extension.name == name for extension in self.found.values()):
            return refusal(403, "Extension.AlreadyRegistered", f"Extension {name} is registered already")
        if len(self.found) >= EXTENSIONS_MAX:
            return refusal(403, "Extension.TooManyExtensions", f"Extension limit ({EXTENSIONS_MAX}) reached")
        identifier = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        self.found[identifier] = Extension(name, events, external=external)
        self._on_change()
        fields = dict(self._about)
        if "accountId" not in request.headers.get("lambda-extension-accept-feature", ""):
            fields.pop("accountId", None)
        return document(fields, ("Lambda-Extension-Identifier", identifier))

    async def _next(self, request: Request) -> Answer:
        extension = self.known(request)
        if isinstance(extension, Answer):
            return extension
        if extension.state in ("waiting", "failed"):
            return refusal(403, "InvalidStateTransition", f"Transition from {extension.state} to waiting is not allowed.", close=True)
        extension.state = "waiting"
        self._on_change()
        try:
            event = await extension.inbox.get()
        except asyncio.CancelledError:
            extension.state = "failed"
            raise
        return document(event, ("Lambda-Extension-Event-Identifier", str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))))

    async def _fail(self, request: Request, phase: str) -> Answer:
        extension = self.known(request)
        if isinstance(extension, Answer):
            return extension
        body = await request.read(_BODY_BYTES_MAX) or b""
        error_type = request.headers.get("lambda-extension-function-error-type")
        if not error_type:
            return refusal(400, "Extension.MissingHeader", "Missing Lambda-Extension-Function-Error-Type header")
        extension.state = "failed"
        extension.error = ("InitError" if phase == "init" else "ExitError", error_type)
        self.failure = (f"Extension.{extension.error[0]}", body or error_type.encode())
        self._on_change()
        return ACCEPTED
