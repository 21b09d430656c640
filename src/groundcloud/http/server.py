"""Listening: uvicorn around the front, with bounds on what a client may send before we look at it. HTTP/1.1 and HTTP/2 share the port."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from groundcloud.base.limits import HEADERS_BYTES_MAX

KEEP_ALIVE_S = 75
BACKLOG = 2048
SHUTDOWN_GRACE_S = 3
GC_THRESHOLDS = (20_000, 20, 50)
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""RFC 9113, 3.4. No request of HTTP/1.1 begins so."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which breaks off a request whose line and headers outgrow HEADERS_BYTES_MAX instead of keeping them all."""

    _head_bytes = 0

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEADERS_BYTES_MAX and self.transport is not None and not self.transport.is_closing():
            message = b"Request header fields too large.\n"
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
                % (len(message), message)
            )
            self.transport.close()


class Opening(asyncio.Protocol):
    """A connection before its first bytes, which decide on the protocol that has it from then on: requests pay nothing for the choice."""

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop
    ) -> None:
        self._arguments = (config, server_state, app_state, _loop)
        self._connections: set[Any] = server_state.connections
        self._transport: asyncio.Transport
        self._begun = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._begun:
            data = self._begun + data
        protocol: Any
        if data.startswith(HTTP2_PREFACE):
            from groundcloud.http.http2 import Http2Protocol

            protocol = Http2Protocol(*self._arguments)
        elif HTTP2_PREFACE.startswith(data):
            self._begun = data
            return
        else:
            protocol = BoundedProtocol(*self._arguments)
        self._connections.discard(self)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)

    def shutdown(self) -> None:
        self._transport.close()


class AddressInUse(Exception):
    """Nothing can listen there; the message says where and why."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any. Raises AddressInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressInUse(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None
    listener.setblocking(False)
    return listener


class Server(uvicorn.Server):
    """`serve` returns after `stop`, SIGINT or SIGTERM, once the requests under way have ended."""

    def __init__(self, app: Any, on_ready: Callable[[], None] | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=Opening,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
                backlog=BACKLOG,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is loaded by now stays: the collector need not look at it again, and short-lived requests need it less often than its defaults say.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        if self._on_ready is not None:
            self._on_ready()

    def stop(self) -> None:
        self.should_exit = True


def new_event_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()
