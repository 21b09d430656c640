"""How the commands reach a server: which endpoint, whose credentials, and what to say when nobody answers."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import click

DEFAULT_ENDPOINT = "http://localhost:4566"


class NoServer(click.ClickException):
    """Nobody answers at the endpoint."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"No Groundcloud server answers at {endpoint}. Start one with `ground up`, or name another with --endpoint.")


@dataclass
class Connection:
    """One server, as one principal."""

    endpoint: str
    region: str
    access_key_id: str
    secret: str
    session_token: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_environment(cls, endpoint: str | None, region: str | None = None) -> Connection:
        """Raises ClickException where the endpoint is no URL."""
        environment = os.environ
        url = endpoint or environment.get("GROUND_ENDPOINT") or environment.get("AWS_ENDPOINT_URL") or DEFAULT_ENDPOINT
        if not url.startswith(("http://", "https://")):
            raise click.ClickException(f"The endpoint {url!r} is no URL; write it like {DEFAULT_ENDPOINT}.")
        return cls(
            url.rstrip("/"),
            region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
            environment.get("AWS_ACCESS_KEY_ID", "test"),
            environment.get("AWS_SECRET_ACCESS_KEY", "test"),
            environment.get("AWS_SESSION_TOKEN"),
        )

    def client(self, service: str) -> Any:
        """boto3's client of this server; retries are off, so that an error is shown as it comes."""
        found = self._clients.get(service)
        if found is None:
            found = self._clients[service] = self._new_client(service)
        return found

    def _new_client(self, service: str) -> Any:
        from botocore.config import Config

        session = self._session()
        return session.create_client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret,
            aws_session_token=self.session_token,
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, read_timeout=900),
        )

    def _session(self) -> Any:
        global _SESSION
        if _SESSION is None:
            import botocore.session

            _SESSION = botocore.session.get_session()
        return _SESSION

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """The server's own API. Raises NoServer, or ClickException with the server's message."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"content-type": "application/json"} if data else {}
        if self.access_key_id != "test":
            headers = self._signed(method, path, data, headers)
        request = urllib.request.Request(self.endpoint + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                text = json.loads(text)["message"]
            except (ValueError, KeyError):
                pass
            raise click.ClickException(text) from None
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            raise NoServer(self.endpoint) from None

    def _signed(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> dict[str, str]:
        import time
        from urllib.parse import urlsplit

        from groundcloud.auth import signing

        raw_path, _, query = path.partition("?")
        plain = {**headers, "host": urlsplit(self.endpoint).netloc}
        credentials = signing.Credentials(self.access_key_id, self.secret, self.session_token)
        return signing.sign(credentials, self.region, "ground", method, raw_path, query, plain, body, time.time())

    def check(self) -> None:
        """Raises NoServer unless a server answers."""
        self.admin("GET", "/_ground/health")


_SESSION: Any = None


def explained(error: Exception) -> str:
    """What a client error says, without botocore's wrapping."""
    response = getattr(error, "response", None)
    if response and "Error" in response:
        return f"{response['Error'].get('Message') or response['Error'].get('Code')}"
    return str(error)
