"""A client of this test's account and buckets of its own."""

from __future__ import annotations

import http.client
import itertools
import socket
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

_COUNT = itertools.count(1)


@pytest.fixture
def s3(client: Callable[..., Any]) -> Any:
    return client("s3", config=Config(signature_version="s3v4"))


@pytest.fixture
def new_bucket(s3: Any, account: str) -> Callable[..., str]:
    """`new_bucket(Versioning="Enabled", ...)`: a bucket with a name of its own; further arguments go to CreateBucket.

    `CustomerKeys`: it takes SSE-C, which AWS's new buckets do not.
    """

    def make(Versioning: str = "", *, CustomerKeys: bool = False, **arguments: Any) -> str:
        name = f"b{account}-{next(_COUNT)}"
        s3.create_bucket(Bucket=name, **arguments)
        if CustomerKeys:
            rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
            s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
        if Versioning:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": Versioning})
        return name

    return make


@pytest.fixture
def names_below_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    """`anything.localhost` is this machine, as RFC 6761 has it: not every resolver knows."""
    resolve = socket.getaddrinfo

    def known(host: Any, *rest: Any, **more: Any) -> Any:
        return resolve("127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", known)


@pytest.fixture
def bucket(new_bucket: Callable[..., str]) -> str:
    return new_bucket()


@pytest.fixture
def refused() -> Callable[..., dict[str, Any]]:
    """`refused("NoSuchKey", 404, s3.get_object, Bucket=..., Key=...)` -> the error, whose code and status are as given."""

    def call(code: str, status: int, function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
        with pytest.raises(ClientError) as caught:
            function(**arguments)
        response = caught.value.response
        assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), response["Error"]
        return {**response["Error"], "headers": response["ResponseMetadata"]["HTTPHeaders"]}

    return call


@pytest.fixture
def send(ground: Any, account: str) -> Callable[..., tuple[int, dict[str, str], bytes]]:
    """`send("PUT", "/bucket/key?acl", {"x-amz-acl": "private"}, b"...")`: a request as it stands there, signed; status, headers and body of the answer."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def request(
        method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"", *, signed: bool = True, unsigned: Any = ()
    ) -> tuple[int, dict[str, str], bytes]:
        wanted = AWSRequest(method, f"{ground.endpoint}{target}", headers or {}, body)
        if signed:
            signer = S3SigV4Auth(Credentials(account, "test"), "s3", "us-east-1")
            if headers and "x-amz-content-sha256" in headers:
                signer.payload = lambda _, said=headers["x-amz-content-sha256"]: said  # type: ignore[method-assign]
            signer.add_auth(wanted)
        connection = http.client.HTTPConnection(ground.endpoint.partition("//")[2])
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in [*wanted.headers.items(), *unsigned]:
            connection.putheader(name, value.encode() if isinstance(value, str) else value)
        if body:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        answer = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        connection.close()
        return answer

    return request
