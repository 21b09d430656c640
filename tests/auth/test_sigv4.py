"""Signature Version 4 against AWS's public vectors, botocore's signers, awscrt's SigV4a, and tables of bad input."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from groundcloud.auth import sigv4, signing
from groundcloud.auth.canonical import canonical_path, canonical_query, canonical_request
from groundcloud.auth.refusals import SignatureError, refusal

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "sigv4"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW_S = 1_440_938_160  # 2015-08-30T12:36:00Z
EMPTY = hashlib.sha256(b"").hexdigest()


def _vectors() -> list[Path]:
    return sorted(VECTORS.rglob("*.req")) if VECTORS.is_dir() else []


def _read(path: Path) -> tuple[str, str, str, dict[str, str], bytes]:
    """(method, raw path, raw query, headers as the server sees them, body) of a request file."""
    head, _, body = path.read_text(encoding="utf-8").replace("\r\n", "\n").partition("\n\n")
    first, *rest = head.split("\n")
    method, _, target = first.partition(" ")
    target = target.rpartition(" ")[0]
    raw_path, _, raw_query = target.partition("?")
    headers: dict[str, str] = {}
    name = ""
    for line in rest:
        if line.startswith((" ", "\t")):
            headers[name] += "\n" + line
            continue
        name, _, value = line.partition(":")
        name = name.lower()
        headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value.strip()
    return method, raw_path, raw_query, headers, body.encode()


@pytest.mark.skipif(not VECTORS.is_dir(), reason="left out: ../shared/vectors/sigv4 is not beside this project")
@pytest.mark.parametrize("path", _vectors(), ids=lambda path: path.stem)
class TestVectors:
    def test_the_canonical_request_is_as_published(self, path: Path) -> None:
        method, raw_path, raw_query, headers, body = _read(path.with_suffix(".sreq"))
        published = path.with_suffix(".creq").read_text(encoding="utf-8").replace("\r\n", "\n")
        names = published.split("\n")[-2].split(";")
        digest = hashlib.sha256(body).hexdigest()
        assert canonical_request(False, method, raw_path, raw_query, headers, names, digest) == published

    def test_the_signed_request_verifies(self, path: Path) -> None:
        method, raw_path, raw_query, headers, body = _read(path.with_suffix(".sreq"))
        # One vector's .sreq (get-vanilla-with-session-token) carries another signature than its .authz, which is the right one.
        headers["authorization"] = path.with_suffix(".authz").read_text(encoding="utf-8").strip()
        signature = sigv4.parse_authorization(headers, raw_query)
        assert signature is not None
        assert (signature.access_key_id, signature.region, signature.service) == ("AKIDEXAMPLE", "us-east-1", "service")
        digest = hashlib.sha256(body).hexdigest()
        sigv4.verify(signature, SECRET, method, raw_path, raw_query, headers, digest, NOW_S)
        with pytest.raises(SignatureError, match="mismatch"):
            sigv4.verify(signature, "another secret", method, raw_path, raw_query, headers, digest, NOW_S)
