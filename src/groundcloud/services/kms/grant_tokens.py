"""Grant tokens: which grant they mean, sealed so that nobody else can make one. Grants count at once here, so a token adds nothing but its check."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import NamedTuple

import msgspec

from groundcloud.kernel.call import Call
from groundcloud.services.kms import errors

_PURPOSE = b"kms-grant-token"


class Token(NamedTuple):
    account: str
    region: str
    key_id: str
    grant_id: str


def issue(call: Call, token: Token) -> str:
    return b64encode(call.ground.identities.seal(msgspec.msgpack.encode(token), _PURPOSE)).decode()


def read(call: Call, text: str) -> Token:
    """Raises InvalidGrantTokenException."""
    from cryptography.exceptions import InvalidTag

    try:
        return msgspec.msgpack.decode(call.ground.identities.open_sealed(b64decode(text, validate=True), _PURPOSE), type=Token)
    except (ValueError, InvalidTag, msgspec.DecodeError):
        raise errors.invalid_grant_token() from None


def check(call: Call, texts: list[str]) -> None:
    """Raises InvalidGrantTokenException unless every one is a token of this region."""
    for text in texts:
        if read(call, text).region != call.region:
            raise errors.invalid_grant_token()
