"""Requests to HTTP(S) endpoints: one at a time, whole, on a connection of its own.

Source: AWS: "Amazon SNS HTTP/HTTPS headers".
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from groundcloud.http.client import connect
from groundcloud.services.sns.state import Sending

TIMEOUT_S = 15
"""AWS: "Amazon SNS ... waits 15 seconds for the endpoint to respond"."""

HEAD_BYTES_MAX = 64 * 1024
ANSWER_BYTES_MAX = 64 * 1024
RESPONSE_CHARACTERS_MAX = 1000


class Answer(NamedTuple):
    """`status` is None where there was none: unreachable, too late, not HTTP; `text` says why."""

    status: int | None
    text: str


async def post(sending: Sending, topic_arn: str, content_type: str) -> Answer:
    parts = urlsplit(sending.endpoint)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    body = sending.body.encode()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "Host": parts.netloc.rpartition("@")[2],
        "x-amz-sns-message-type": sending.kind,
        "x-amz-sns-message-id": sending.message_id,
        "x-amz-sns-topic-arn": topic_arn,
    }
    if sending.kind != "SubscriptionConfirmation":
        headers["x-amz-sns-subscription-arn"] = f"{topic_arn}:{sending.subscription_id}"
    if sending.raw:
        headers["x-amz-sns-rawdelivery"] = "true"
    if sending.trace:
        headers["X-Amzn-Trace-Id"] = sending.trace
    headers |= {
        "Content-Type": content_type or "text/plain; charset=UTF-8",
        "Content-Length": str(len(body)),
        "User-Agent": "Amazon Simple Notification Service Agent",
        "Connection": "close",
    }
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    data = f"POST {target} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "replace") + body
    # Whatever ends in .localhost is this machine, with or without a resolver that knows it.
    address = "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host
    context = ssl.create_default_context() if parts.scheme == "https" else None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _exchange(address, port, context, host, data)
    except TimeoutError:
        return Answer(None, "Connection timed out")
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return Answer(None, f"{type(error).__name__}: {error}")


async def _exchange(address: str, port: int, context: ssl.SSLContext | None, host: str, data: bytes) -> Answer:
    options: dict[str, Any] = {"ssl": context, "server_hostname": host} if context is not None else {}
    reader, writer = await connect(address, port, limit=HEAD_BYTES_MAX, **options)
    try:
        writer.write(data)
        await writer.drain()
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1][:3]) if head.startswith(b"HTTP/1.") else 0
            if not 100 <= status <= 599:
                raise ValueError("not an HTTP answer")
            if status >= 200:
                break
        text = (await reader.read(ANSWER_BYTES_MAX)).decode("utf-8", "replace")
        return Answer(status, text[:RESPONSE_CHARACTERS_MAX])
    finally:
        writer.close()
