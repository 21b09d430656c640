"""A response that arrives piece by piece, between the sandbox that writes it and the one who reads it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from groundcloud.runtime.channel import Channel
from groundcloud.runtime.endings import error_payload
from groundcloud.runtime.function import STREAM_BYTES_MAX, InvokeResult
from groundcloud.runtime.inside.frames import RESPONSE_BYTES_MAX

TOO_LARGE = "Function.ResponseSizeTooLarge"
_HELD_BYTES_MAX = 1024 * 1024


class ResponseStream:
    """Made by `Sandbox.stream`: iterate over the pieces, then `await result()`, whose payload is empty if anything was streamed.

    The function's writes wait while a megabyte is unread. A handler that does not stream yields its result as one piece. An error before
    the first piece yields none; one in the middle ends the pieces: `result().kind` tells. `content_type` is known from the first piece
    on; "application/vnd.awslambda.http-integration-response" begins with a JSON document (statusCode, headers, cookies) and eight NULs.
    """

    def __init__(self) -> None:
        self.content_type = ""
        self.begun = False
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._unwanted = False
        self._waiter: asyncio.Future[None] | None = None
        self._on_room: Callable[[], None] | None = None
        self._task: asyncio.Task[InvokeResult] | None = None

    def run(self, invocation: Coroutine[Any, Any, InvokeResult]) -> None:
        self._task = asyncio.get_running_loop().create_task(invocation)
        self._task.add_done_callback(lambda _: self._wake())

    # -- the sandbox's side ---------------------------------------------------------------------------------------------

    def put(self, piece: bytes, content_type: str, on_room: Callable[[], None] | None = None) -> bool:
        """False if the writer should wait until `on_room` is called."""
        if not self.begun:
            self.begun, self.content_type = True, content_type
        if self._unwanted or not piece:
            return True
        self._pieces.append(piece)
        self._held_bytes += len(piece)
        self._wake()
        if self._held_bytes < _HELD_BYTES_MAX:
            return True
        self._on_room = on_room
        return False

    async def put_and_wait(self, piece: bytes, content_type: str) -> None:
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.put(piece, content_type, lambda: None if room.done() else room.set_result(None)):
            await room

    # -- the reader's side ----------------------------------------------------------------------------------------------

    def __aiter__(self) -> ResponseStream:
        return self

    async def __anext__(self) -> bytes:
        assert self._task is not None
        while not self._pieces:
            if self._task.done():
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        piece = self._pieces.popleft()
        self._held_bytes -= len(piece)
        self._let_go()
        return piece

    async def begin(self) -> bool:
        """Waits for the first piece; False if the invocation ended without one."""
        assert self._task is not None
        while not self._pieces and not self._task.done():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return bool(self._pieces)

    async def result(self) -> InvokeResult:
        """How the invocation ended. Pieces that were not read are dropped."""
        assert self._task is not None
        self.discard()
        return await self._task

    def discard(self) -> None:
        """The reader is gone: the function goes on, as on AWS, and what it writes is dropped."""
        self._unwanted = True
        self._pieces.clear()
        self._held_bytes = 0
        self._let_go()

    def cancel(self) -> None:
        """Ends the sandbox."""
        if self._task is not None:
            self._task.cancel()

    def _let_go(self) -> None:
        if self._on_room is not None and self._held_bytes < _HELD_BYTES_MAX // 2:
            on_room, self._on_room = self._on_room, None
            on_room()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Response:
    """What has come of one response: its pieces go into a stream if there is one, else they are put together."""

    def __init__(self) -> None:
        self._pieces = bytearray()
        self.size_bytes = 0
        self.first_s: float | None = None
        """When the first piece came, by time.perf_counter."""

    def take(self, piece: bytes, content_type: str, stream: ResponseStream | None, channel: Channel) -> bytes | None:
        """None, or AWS's error document where it is too large now. The channel waits while nobody reads the stream."""
        if self.first_s is None:
            self.first_s = time.perf_counter()
        self.size_bytes += len(piece)
        limit = STREAM_BYTES_MAX if stream is not None else RESPONSE_BYTES_MAX
        if self.size_bytes > limit:
            return error_payload(TOO_LARGE, f"Response payload size exceeded maximum allowed payload size ({limit} bytes).")
        if stream is None:
            self._pieces += piece
        elif not stream.put(piece, content_type, channel.resume):
            channel.pause()
        return None

    def end(self, payload: bytes, stream: ResponseStream | None) -> bytes:
        """The whole payload; empty if it has gone into the stream."""
        if self._pieces:
            return bytes(self._pieces) + payload
        if stream is not None and not stream.begun and payload:
            stream.put(payload, "application/octet-stream")
            return b""
        return payload
