"""Signatures of what is sent: a key of this server's own, its certificate, and the texts that are signed.

Source: AWS: "Verifying the signatures of Amazon SNS messages". Versions 1 and 2 are PKCS #1 v1.5 over SHA-1 and SHA-256.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.services.sns.state import SIGNING_KEYS, SigningKey

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

KEY_BITS = 2048
YEARS_VALID = 20
PURPOSE = b"sns-signing-key"
PATH = "/SimpleNotificationService-"
"""Below it, `<fingerprint>.pem` is the certificate."""

_KEY = "rsa"


class Signature(NamedTuple):
    version: str
    text: str
    certificate_url: str


class Signer:
    """The key, loaded."""

    def __init__(self, private_key: Any, fingerprint: str) -> None:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        self._key = private_key
        self._padding = padding.PKCS1v15()
        self._hashes = {"1": hashes.SHA1(), "2": hashes.SHA256()}
        self.fingerprint = fingerprint

    def sign(self, members: list[tuple[str, str]], version: str, endpoint: str) -> Signature:
        """Of the members in the order in which they are signed."""
        text = "".join([f"{name}\n{value}\n" for name, value in members])
        signed = self._key.sign(text.encode(), self._padding, self._hashes[version])
        return Signature(version, b64encode(signed).decode(), f"{endpoint}{PATH}{self.fingerprint}.pem")


class Loaded:
    """Where a server keeps its signer once it has read it."""

    def __init__(self) -> None:
        self.signer: Signer | None = None
        self.uncommitted = ""
        """Fingerprint of a key that was made in a transaction which may still be given up."""

    def committed(self) -> None:
        self.uncommitted = ""


def signer(call: Call, tx: Transaction) -> Signer:
    """The server's; made in this transaction where there is none yet."""
    loaded = call.own("signer", Loaded)
    if loaded.signer is not None:
        return loaded.signer
    kept = SIGNING_KEYS.get(tx, _KEY)
    if kept is None:
        kept = make(call)
        SIGNING_KEYS.put(tx, kept)
        loaded.uncommitted = kept.fingerprint
        tx.after_commit(loaded.committed)
    found = _load(call, kept)
    if kept.fingerprint != loaded.uncommitted:
        loaded.signer = found
    return found


def is_made(tx: Transaction) -> bool:
    return SIGNING_KEYS.has(tx, _KEY)


def keep(tx: Transaction, key: SigningKey) -> None:
    """Unless another was made meanwhile."""
    if not is_made(tx):
        SIGNING_KEYS.put(tx, key)


def certificate(tx: Transaction, fingerprint: str) -> bytes | None:
    kept = SIGNING_KEYS.get(tx, _KEY)
    return kept.certificate if kept is not None and kept.fingerprint == fingerprint else None


def make(call: Call) -> SigningKey:
    """A new key with a certificate of its own signing. Takes some tens of milliseconds."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    private_key = rsa.generate_private_key(public_exponent=65_537, key_size=KEY_BITS)
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Groundcloud"), x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")]
    )
    today = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=365 * YEARS_VALID))
        .sign(private_key, hashes.SHA256())
    )
    pem = private_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return SigningKey(
        name=_KEY,
        sealed_key=call.ground.identities.seal(pem, PURPOSE),
        certificate=made.public_bytes(serialization.Encoding.PEM),
        fingerprint=made.fingerprint(hashes.SHA256()).hex()[:32],
    )


def _load(call: Call, kept: SigningKey) -> Signer:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return Signer(load_pem_private_key(call.ground.identities.open_sealed(kept.sealed_key, PURPOSE), password=None), kept.fingerprint)
