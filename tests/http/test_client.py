"""The client of rooms that call out: where it does not go."""

import asyncio

import pytest

from groundcloud.http import client


def test_nobody_sends_the_server_to_where_the_machine_gets_its_own_credentials(monkeypatch):
    """An HTTP integration or a subscription may name any address; the server is no sandbox, and no wall is before it."""
    heard = []

    async def answer(reader, writer):
        heard.append(await reader.read(10))
        writer.close()

    async def ask():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await client.connect("127.0.0.1", port)
        writer.write(b"hello")
        assert await reader.read() == b""
        writer.close()
        monkeypatch.setattr(client, "METADATA_ADDRESSES", ("127.0.0.1",))
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(PermissionError, match="metadata service"):
                await client.Backend().request("GET", "http", host, port, "/latest/meta-data/", [], b"")
        server.close()

    asyncio.run(ask())
    assert [said for said in heard if said] == [b"hello"]
