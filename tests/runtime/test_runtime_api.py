"""The Runtime API, spoken over a socket as a runtime does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from groundcloud.runtime import Invocation
from groundcloud.runtime.runtime_api import Outcome, RuntimeApi

BASE = "/2018-06-01/runtime/"


class Client:
    """A runtime's connection: plain bytes, so that bad ones can be sent too."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, method: str, path: str, body: bytes = b"", *headers: str) -> None:
        lines = [f"{method} {BASE}{path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def receive(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        return int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def call(self, method: str, path: str, body: bytes = b"", *headers: str) -> tuple[int, dict[str, str], bytes]:
        self.send(method, path, body, *headers)
        return await self.receive()


def talk(conversation: Callable[[RuntimeApi, Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        api = RuntimeApi()
        server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
        client = Client(*await asyncio.open_connection(*server.sockets[0].getsockname()))
        try:
            return await asyncio.wait_for(conversation(api, client), 10)
        finally:
            client.writer.close()
            server.close()

    return asyncio.run(run())


def event(request_id: str = "r1", **options: Any) -> Invocation:
    return Invocation(
        request_id=request_id, payload=b'{"a": 1}', function_arn="arn:aws:lambda:us-east-1:000000000000:function:f", **options
    )


def test_an_event_goes_out_and_its_response_comes_back() -> None:
    async def conversation(api: RuntimeApi, client: Client) -> None:
        for request_id in ("r1", "r2"):
            task = asyncio.ensure_future(
                api.invoke(event(request_id, trace_id="Root=1", identity={"cognitoIdentityId": "i"}, client_context={"custom": {}}), 123)
            )
            status, headers, body = await client.call("GET", "invocation/next")
            assert (status, body) == (200, b'{"a": 1}')
            assert headers["lambda-runtime-aws-request-id"] == request_id
            assert headers["lambda-runtime-deadline-ms"] == "123"
            assert headers["lambda-runtime-invoked-function-arn"].endswith(":function:f")
            assert headers["lambda-runtime-trace-id"] == "Root=1"
            assert json.loads(headers["lambda-runtime-cognito-identity"]) == {"cognitoIdentityId": "i"}
            assert json.loads(headers["lambda-runtime-client-context"]) == {"custom": {}}
            assert (await client.call("POST", f"invocation/{request_id}/response", b"7"))[::2] == (202, b'{"status":"OK"}\n')
            assert await task == Outcome("response", b"7")

    talk(conversation)


def test_an_error_carries_its_type() -> None:
    async def conversation(api: RuntimeApi, client: Client) -> None:
        for headers, body, expected in (
            (("Lambda-Runtime-Function-Error-Type: Mine.Bad",), b"{}", "Mine.Bad"),
            ((), b'{"errorType": "T"}', "T"),
            ((), b"not json", "Runtime.Unknown"),
            ((), b"[]", "Runtime.Unknown"),
        ):
            task = asyncio.ensure_future(api.invoke(event(), 1))
            await client.call("GET", "invocation/next")
            assert (await client.call("POST", "invocation/r1/error", body, *headers))[0] == 202
            assert await task == Outcome("error", body, expected)

    talk(conversation)


def test_an_error_of_the_initialisation_answers_the_first_invocation_and_every_later_one() -> None:
    async def conversation(api: RuntimeApi, client: Client) -> None:
        task = asyncio.ensure_future(api.invoke(event(), 1))
        await asyncio.sleep(0)
        assert (await client.call("POST", "init/error", b"{}", "Lambda-Runtime-Function-Error-Type: Runtime.NoSuchHandler"))[0] == 202
        expected = Outcome("init_error", b"{}", "Runtime.NoSuchHandler")
        assert await task == await api.invoke(event(), 1) == api.init_error == expected
        assert api.ready.is_set()
        status, _, body = await client.call("GET", "invocation/next")
        assert (status, json.loads(body)["errorType"]) == (403, "InvalidStateTransition")

    talk(conversation)


def test_another_requests_answer_is_refused_and_the_right_one_still_counts() -> None:
    async def conversation(api: RuntimeApi, client: Client) -> None:
        task = asyncio.ensure_future(api.invoke(event(), 1))
        await client.call("GET", "invocation/next")
        status, _, body = await client.call("POST", "invocation/other/response", b"1")
        assert status == 400
        assert json.loads(body) == {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}
        assert (await client.call("POST", "invocation/r1/response", b"2"))[0] == 202
        assert await task == Outcome("response", b"2")
        status, _, body = await client.call("POST", "invocation/r1/response", b"2")
        assert (status, json.loads(body)["errorType"]) == (403, "InvalidStateTransition")

    talk(conversation)


def test_a_response_over_six_megabytes_is_refused_and_is_the_functions_error() -> None:
    async def conversation(api: RuntimeApi, client: Client) -> None:
        task = asyncio.ensure_future(api.invoke(event(), 1))
        await client.call("GET", "invocation/next")
        client.writer.write(f"POST {BASE}invocation/r1/response HTTP/1.1\r\nContent-Length: 6291557\r\n\r\n".encode())
        status, _, body = await client.receive()
        assert status == 413
        assert json.loads(body)["errorType"] == "RequestEntityTooLarge"
        outcome = await task
        assert outcome.error_type == "Function.ResponseSizeTooLarge"
        assert b"(6291556 bytes)" in outcome.payload

    talk(conversation)


def test_chunked_bodies_and_expectations_are_understood() -> None:
    async def conversation(api: RuntimeApi, client: Client) -> None:
        task = asyncio.ensure_future(api.invoke(event(), 1))
        await client.call("GET", "invocation/next")
        head = f"POST {BASE}invocation/r1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        client.writer.write(head.encode() + b"3\r\n[1,\r\n2;x=y\r\n2]\r\n0\r\nTrailer: x\r\n\r\n")
        assert (await client.receive())[0] == 100
        assert (await client.receive())[0] == 202
        assert await task == Outcome("response", b"[1,2]")

    talk(conversation)


def test_paths_and_methods_that_are_not_the_apis_are_refused() -> None:
    async def conversation(api: RuntimeApi, client: Client) -> list[int]:
        first = (await client.call("GET", "nothing"))[0]
        return [first, (await client.call("POST", "invocation/next"))[0]]

    assert talk(conversation) == [404, 405]


def test_bytes_that_are_not_http_close_the_connection_alone() -> None:
    for garbage in (
        b"\0" * 100 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"x" * 200_000,
        f"POST {BASE}x HTTP/1.1\r\nContent-Length: -1\r\n\r\n".encode(),
    ):

        async def conversation(api: RuntimeApi, client: Client, garbage: bytes = garbage) -> None:
            client.writer.write(garbage)
            try:
                rest = await client.reader.read()
            except ConnectionResetError:  # closed with bytes unread
                rest = b""
            assert rest == b""
            assert client.reader.at_eof() or client.writer.is_closing()

        talk(conversation)


def test_a_trace_id_with_a_line_break_adds_no_header() -> None:
    async def conversation(api: RuntimeApi, client: Client) -> dict[str, str]:
        task = asyncio.ensure_future(api.invoke(event(trace_id="a\r\nX-Evil: 1"), 1))
        headers = (await client.call("GET", "invocation/next"))[1]
        task.cancel()
        return headers

    assert "x-evil" not in talk(conversation)
