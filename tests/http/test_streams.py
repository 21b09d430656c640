"""Answers that stream, and clients that leave them."""

import asyncio

from groundcloud.http.front import _send
from groundcloud.wire.message import HttpResponse


def test_an_answer_that_streams_ends_when_its_client_leaves():
    ended, sent = [], []

    async def tail():
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def run():
        gone = asyncio.Event()

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)
            if message.get("body"):
                gone.set()

        await asyncio.wait_for(_send(send, HttpResponse(200, [], tail()), "GET", receive), 5)

    asyncio.run(run())
    assert ended == [True] and [message.get("body") for message in sent] == [None, b"first"]
