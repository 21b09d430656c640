"""A load generator for one signed HTTP request, sent over and over on many connections, cheap enough not to be what is measured.

python -m bench.load URL --connections 64 --requests 20000   (a module for the other scripts; see hot_calls.py)
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from groundcloud.auth import signing


@dataclass
class Result:
    """Latencies in milliseconds; `per_s` is calls a second of wall time."""

    requests: int
    errors: int
    wall_s: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        return self.requests / self.wall_s


def signed_request(
    endpoint: str,
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    *,
    key: str = "test",
    secret: str = "test",
    token: str | None = None,
    payload_hash: str | None = None,
) -> bytes:
    """The bytes of one request, signed once: servers accept it again within the signature's time."""
    plain = {"host": urlsplit(endpoint).netloc, **headers}
    raw_path, _, query = path.partition("?")
    credentials, now_s = signing.Credentials(key, secret, token), time.time()
    signed = signing.sign(credentials, "us-east-1", service, method, raw_path, query, plain, body, now_s, payload_hash)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in signed.items()), f"content-length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Line:
    """One kept connection without any SDK: `line.ask(message)` sends a request's bytes and gives the answer's body."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, message: bytes) -> bytes:
        self._socket.sendall(message)
        head, body, need = b"", b"", -1
        while need < 0 or len(body) < need:
            got = self._socket.recv(65536)
            if not got:
                raise ConnectionError(f"no answer: {head + body!r}")
            body += got
            if need < 0 and b"\r\n\r\n" in body:
                head, _, body = body.partition(b"\r\n\r\n")
                need = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if b" 200 " not in head[:20]:
            raise RuntimeError((head + body).decode(errors="replace"))
        return body

    def close(self) -> None:
        self._socket.close()


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._need = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        message = self._run.next_request()
        if message is None:
            self.transport.close()
            self._run.ended()
            return
        self._at = time.perf_counter()
        self.transport.write(message)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._need < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._need = end + 4 + length
            self._status = self._buffer[9:12]
        if len(self._buffer) < self._need:
            return
        self._run.answered(time.perf_counter() - self._at, self._status, self._buffer)
        self._buffer, self._need = self._buffer[self._need :], -1
        self._send()


class _Run:
    def __init__(self, messages: list[bytes], requests: int, connections: int) -> None:
        self._messages = messages
        self._left = requests
        self._open = connections
        self._at = 0
        self.latencies: list[float] = []
        self.errors = 0
        self.sample = b""
        self.done = asyncio.get_running_loop().create_future()

    def next_request(self) -> bytes | None:
        if self._left <= 0:
            return None
        self._left -= 1
        self._at += 1
        return self._messages[self._at % len(self._messages)]

    def answered(self, seconds: float, status: bytes, raw: bytes) -> None:
        self.latencies.append(seconds)
        if not status.startswith(b"2"):
            self.errors += 1
            self.sample = self.sample or raw

    def ended(self) -> None:
        self._open -= 1
        if self._open == 0:
            self.done.set_result(None)


async def run(endpoint: str, messages: list[bytes], *, requests: int, connections: int) -> Result:
    """Sends `requests` of `messages` in turn. Raises RuntimeError with a sample if more than one in a hundred fails."""
    parts = urlsplit(endpoint)
    state = _Run(messages, requests, connections)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(state), "127.0.0.1", parts.port)
    await state.done
    wall = time.perf_counter() - began
    ordered = sorted(state.latencies)
    if state.errors * 100 > requests:
        raise RuntimeError(f"{state.errors} of {requests} failed: {state.sample[:500]!r}")
    return Result(len(ordered), state.errors, wall, ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3)
