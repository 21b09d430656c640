"""Who is calling: access keys, temporary credentials, and what policies they carry.

Temporary credentials need no table: the session token is the session, sealed with the server's key, so that it is valid after a restart and costs no write.
Users, roles and their policies are the iam room's; it is reached through `Directory`, which `app.py` hands in.
"""

from __future__ import annotations

import hmac
import os
import secrets
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from groundcloud.auth.principals import Principal
from groundcloud.auth.refusals import SignatureError
from groundcloud.base import ids
from groundcloud.store import Transaction

WELL_KNOWN_KEY = "test"
WELL_KNOWN_SECRET = "test"
ROOT_KEY_FILE = "root-credentials.json"
SEAL_KEY_FILE = "seal.key"
KEY_PURPOSE = b"access-key"


class KeyOwner(NamedTuple):
    """What a long-term access key stands for. A secret of bytes is sealed for the purpose `KEY_PURPOSE`."""

    principal: Principal
    secret: str | bytes
    active: bool = True


class IdentityPolicies(NamedTuple):
    """A principal's own policies: (name, document) pairs, and its boundary."""

    identity: tuple[tuple[str, str], ...] = ()
    boundary: tuple[str, str] | None = None
    tags: dict[str, str] = {}


class Role(NamedTuple):
    arn: str
    unique_id: str
    trust_policy: str
    max_session_s: int = 3600


class Directory(Protocol):
    """What the iam room tells the kernel. `generation` changes with every change of the account's identities: the kernel caches by it."""

    def generation(self, tx: Transaction, account: str) -> int: ...

    def access_key(self, tx: Transaction, access_key_id: str) -> KeyOwner | None: ...

    def policies(self, tx: Transaction, principal: Principal) -> IdentityPolicies: ...

    def role(self, tx: Transaction, role_arn: str) -> Role | None: ...


class EmptyDirectory:
    """A server without an iam room: account roots alone."""

    def generation(self, tx: Transaction, account: str) -> int:
        return 0

    def access_key(self, tx: Transaction, access_key_id: str) -> KeyOwner | None:
        return None

    def policies(self, tx: Transaction, principal: Principal) -> IdentityPolicies:
        return IdentityPolicies()

    def role(self, tx: Transaction, role_arn: str) -> Role | None:
        return None


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What a session token says. `policies` are the session policies' documents; None where no policy was passed."""

    access_key_id: str
    secret: str
    kind: str
    arn: str
    account: str
    role_arn: str
    unique_id: str
    issued_s: int
    expires_s: int
    policies: tuple[tuple[str, str], ...] | None = None
    tags: dict[str, str] = {}
    source_identity: str = ""
    mfa: bool = False
    context: dict[str, str] = {}

    @property
    def principal(self) -> Principal:
        return Principal(self.kind, self.arn, self.account, self.role_arn, self.unique_id)  # type: ignore[arg-type]


class SessionCredentials(NamedTuple):
    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_s: int


class Identity(NamedTuple):
    """A caller who is known but not yet verified."""

    principal: Principal
    secret: str
    session: Session | None = None


class Identities:
    """Resolves access keys, and seals and opens session tokens with a key that rests beside the data."""

    def __init__(self, data_dir: Path | None, loopback: bool) -> None:
        self._loopback = loopback
        self._seal_key = _load_or_make(data_dir / SEAL_KEY_FILE) if data_dir else secrets.token_bytes(32)
        self._root_key_id, self._root_secret = ("", "") if loopback else _root_credentials(data_dir)
        self._open = lru_cache(maxsize=8192)(self._open_token)
        self._open_secret = lru_cache(maxsize=8192)(lambda sealed: self.open_sealed(sealed, KEY_PURPOSE).decode())
        self._cipher: Any = None

    @property
    def root_credentials(self) -> tuple[str, str]:
        """Access key and secret of account 000000000000's root: the well-known ones on loopback, generated ones elsewhere."""
        return (WELL_KNOWN_KEY, WELL_KNOWN_SECRET) if self._loopback else (self._root_key_id, self._root_secret)

    def resolve(self, tx: Transaction, directory: Directory, access_key_id: str, session_token: str | None, now_s: int) -> Identity:
        """Raises SignatureError (unknown-key, inactive-key, invalid-token, expired-token)."""
        if session_token:
            session = self._open(session_token)
            if session is None or session.access_key_id != access_key_id:
                raise SignatureError("invalid-token", token=session_token)
            if session.expires_s <= now_s:
                raise SignatureError("expired-token", token=session_token)
            return Identity(session.principal, session.secret, session)
        if self._loopback:
            root = well_known(access_key_id)
            if root is not None:
                return root
        elif access_key_id == self._root_key_id:
            return Identity(Principal("root", "arn:aws:iam::000000000000:root", "000000000000", "", "000000000000"), self._root_secret)
        owner = directory.access_key(tx, access_key_id)
        if owner is None:
            raise SignatureError("unknown-key", access_key_id=access_key_id)
        if not owner.active:
            raise SignatureError("inactive-key", access_key_id=access_key_id)
        return Identity(owner.principal, owner.secret if isinstance(owner.secret, str) else self._open_secret(owner.secret))

    def issue(
        self,
        random: Any,
        principal: Principal,
        now_s: int,
        duration_s: int,
        *,
        policies: tuple[tuple[str, str], ...] | None = None,
        tags: dict[str, str] | None = None,
        source_identity: str = "",
        mfa: bool = False,
        context: dict[str, str] | None = None,
    ) -> SessionCredentials:
        """Temporary credentials for `principal`. The secret and the token come from the operating system's randomness, whatever the seed."""
        access_key_id = ids.unique_id(random, "ASIA", 20)
        secret = b64encode(secrets.token_bytes(30)).decode()
        session = Session(
            access_key_id,
            secret,
            principal.kind,
            principal.arn,
            principal.account,
            principal.role_arn,
            principal.unique_id,
            now_s,
            now_s + duration_s,
            policies,
            tags or {},
            source_identity,
            mfa,
            context or {},
        )
        nonce = secrets.token_bytes(12)
        sealed = nonce + self._aead().encrypt(nonce, msgspec.msgpack.encode(session), b"session")
        return SessionCredentials(access_key_id, secret, urlsafe_b64encode(sealed).decode(), session.expires_s)

    def seal(self, plain: bytes, purpose: bytes) -> bytes:
        """For secrets at rest: encrypted under the server's key; `open_sealed` with the same purpose gives them back."""
        nonce = secrets.token_bytes(12)
        return bytes(nonce + self._aead().encrypt(nonce, plain, purpose))

    def open_sealed(self, sealed: bytes, purpose: bytes) -> bytes:
        return bytes(self._aead().decrypt(sealed[:12], sealed[12:], purpose))

    def derive(self, purpose: bytes) -> bytes:
        """A key for `purpose`, the same after every start: for what is sealed by other means than `seal`."""
        return hmac.digest(self._seal_key, purpose, "sha256")

    def _open_token(self, token: str) -> Session | None:
        from cryptography.exceptions import InvalidTag

        try:
            sealed = urlsafe_b64decode(token)
            return msgspec.msgpack.decode(self._aead().decrypt(sealed[:12], sealed[12:], b"session"), type=Session)
        except (InvalidTag, ValueError, msgspec.DecodeError):
            return None

    def _aead(self) -> Any:
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(self._seal_key)
        return self._cipher


@lru_cache(maxsize=4096)
def well_known(access_key_id: str) -> Identity | None:
    """`test`, or an account's twelve digits, with the secret `test`: that account's root."""
    if access_key_id == WELL_KNOWN_KEY:
        account = "000000000000"
    elif len(access_key_id) == 12 and access_key_id.isdigit() and access_key_id.isascii():
        account = access_key_id
    else:
        return None
    return Identity(Principal("root", f"arn:aws:iam::{account}:root", account, "", account), WELL_KNOWN_SECRET)


def _load_or_make(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        _write_private(path, key)
        return key


def _root_credentials(data_dir: Path | None) -> tuple[str, str]:
    path = data_dir / ROOT_KEY_FILE if data_dir else None
    if path is not None and path.exists():
        found = msgspec.json.decode(path.read_bytes())
        return found["AccessKeyId"], found["SecretAccessKey"]
    import random

    key_id, secret = ids.unique_id(random.SystemRandom(), "AKIA", 20), b64encode(secrets.token_bytes(30)).decode()
    if path is not None:
        _write_private(path, msgspec.json.encode({"AccessKeyId": key_id, "SecretAccessKey": secret}))
    return key_id, secret


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
