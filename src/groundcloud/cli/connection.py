"""How the commands reach a server: which endpoint, whose credentials, and what to say when nobody answers."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import click

DEFAULT_ENDPOINT = "http://localhost:4566"
ROOT = "test"
"""Key and secret of the root of account 000000000000, on loopback."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
STRANGER_CODES = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
)


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
            environment.get("AWS_ACCESS_KEY_ID") or ROOT,
            environment.get("AWS_SECRET_ACCESS_KEY") or ROOT,
            environment.get("AWS_SESSION_TOKEN") or None,
        )

    @property
    def loopback(self) -> bool:
        return (urlsplit(self.endpoint).hostname or "") in LOOPBACK

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
            config=Config(
                retries={"max_attempts": 0},
                s3={"addressing_style": "path"},
                read_timeout=900,
                proxies={} if self.loopback else None,  # none stands between this machine and itself
            ),
        )

    def _session(self) -> Any:
        global _SESSION
        if _SESSION is None:
            import botocore.session

            # No file or profile of AWS's has a say: what points here is the environment or an option.
            _SESSION = botocore.session.Session(
                session_vars={
                    "profile": (None, None, None, None),
                    "config_file": (None, None, os.devnull, None),
                    "credentials_file": (None, None, os.devnull, None),
                }
            )
        return _SESSION

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """What goes wrong between the SDK and the server becomes a ClickException that says what to do."""
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        try:
            yield
        except ClientError as error:
            raise click.ClickException(explained(error) + self._stranger(error.response["Error"].get("Code", ""))) from None
        except HTTPClientError:
            raise NoServer(self.endpoint) from None
        except BotoCoreError as error:
            raise click.ClickException(str(error)) from None

    def _stranger(self, code: str) -> str:
        """A hint for those whose environment holds credentials of another cloud."""
        if code not in STRANGER_CODES:
            return ""
        return (
            f"\nAWS_ACCESS_KEY_ID is {self.access_key_id}, which is not how the server at {self.endpoint} knows you."
            f' `eval "$(ground env --endpoint {self.endpoint})"` sets credentials that it knows.'
        )

    def known(self) -> bool:
        """Whether the server takes these credentials; also where nobody answers."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client("sts").get_caller_identity()
        except ClientError as error:
            return error.response["Error"].get("Code") not in STRANGER_CODES
        except BotoCoreError:
            return True
        return True

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """The server's own API. Raises NoServer, or ClickException with the server's message."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"content-type": "application/json"} if data else {}
        if self.access_key_id != ROOT:
            headers = self._signed(method, path, data, headers)
        request = urllib.request.Request(self.endpoint + path, data=data, method=method, headers=headers)
        try:
            opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if self.loopback else []))
            with opener.open(request, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            try:
                text = json.loads(error.read())["message"]
            except (ValueError, KeyError, TypeError):
                text = f"What answers at {self.endpoint} is no Groundcloud server (HTTP {error.code}); name one with --endpoint."
            raise click.ClickException(text) from None
        except ValueError:
            raise click.ClickException(f"What answers at {self.endpoint} is no Groundcloud server; name one with --endpoint.") from None
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            raise NoServer(self.endpoint) from None

    def _signed(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> dict[str, str]:
        import time

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
    """What a client error says, without botocore's wrapping; of a signature that does not match, without the canonical strings."""
    response = getattr(error, "response", None)
    if response and "Error" in response:
        sentence = str(response["Error"].get("Message") or response["Error"].get("Code"))
        return sentence.partition("\n\nThe Canonical String")[0]
    return str(error)
