"""Servers for tests. Both are clients' view of a server: an endpoint, a clock that is moved over the API, boto3 clients."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 20


class _Server:
    endpoint: str

    def client(self, service: str, account: str = "test", region: str = "us-east-1", **options: Any) -> Any:
        """A boto3 client of this server; `account` is twelve digits or `test`."""
        from botocore.config import Config

        config = Config(
            retries={"max_attempts": 0}, connect_timeout=5, read_timeout=60, parameter_validation=options.pop("parameter_validation", True)
        )
        if "config" in options:
            config = config.merge(options.pop("config"))
        arguments: dict[str, Any] = {
            "aws_access_key_id": account,
            "aws_secret_access_key": "test",
            "region_name": region,
            "endpoint_url": self.endpoint,
        }
        arguments.update(options)
        return _session().client(service, config=config, **arguments)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(self.endpoint + path, method=method, data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=70) as answer:
            return json.load(answer)

    def advance(self, duration: str) -> None:
        """Moves virtual time on and settles what falls due."""
        moved = self.admin("POST", "/_ground/clock", {"advance": duration})
        assert moved["settled"], "the server did not settle"

    def settle(self) -> None:
        moved = self.admin("POST", "/_ground/clock", {"settle": True})
        assert moved["settled"], "the server did not settle"

    def now_s(self) -> float:
        return float(self.admin("GET", "/_ground/clock")["now_ms"]) / 1000


_SESSION: list[Any] = []


def _session() -> Any:
    import boto3

    if not _SESSION:
        _SESSION.append(boto3.session.Session())
    return _SESSION[0]


class Threaded(_Server):
    """A server with a memory store in a thread of this process."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self.ground: Any = None
        self._server: Any = None
        self._loop: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="groundcloud")
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S) or self._failure is not None:
            raise RuntimeError(f"the server did not start: {self._failure}")

    def _run(self) -> None:
        from groundcloud import app
        from groundcloud.http.server import Server, listen, new_event_loop
        from groundcloud.kernel.ground import memory_settings

        async def serve() -> None:
            listener = listen("127.0.0.1", 0)
            settings = memory_settings(port=listener.getsockname()[1], **self._settings)
            self.endpoint = f"http://localhost:{settings.port}"
            self.ground, front = app.create(settings)
            self.ground.start()
            self._server = Server(front, self._ready.set)
            await self._server.serve(sockets=[listener])
            await self.ground.close()

        loop = self._loop = new_event_loop()
        try:
            loop.run_until_complete(serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()
        finally:
            loop.close()

    def forget(self, account: str) -> None:
        """Ends what an account left running: schedules, pollers, deliveries."""
        asyncio.run_coroutine_threadsafe(self.ground.timers.forget(account), self._loop).result(START_TIMEOUT_S)

    def close(self) -> None:
        self._server.stop()
        self._thread.join(timeout=15)


class Process(_Server):
    """`ground up` in a process of its own, on a data directory that outlives it."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        port_file = self.data_dir.parent / f"{self.data_dir.name}.port"
        port_file.unlink(missing_ok=True)
        environment = {**os.environ, "GROUND_PORT_FILE": str(port_file)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "groundcloud.cli.main", "up", "--port", "0", "--data", str(self.data_dir), "--quiet", *self._arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        give_up = time.monotonic() + START_TIMEOUT_S
        while not port_file.exists():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"`ground up` did not start (exit status {self._process.poll()})")
            time.sleep(0.01)
        self.endpoint = f"http://localhost:{port_file.read_text().strip()}"

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nothing is closed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """SIGINT, as Ctrl-C; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout=20)

    def restart(self) -> None:
        self.kill()
        self.start()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
