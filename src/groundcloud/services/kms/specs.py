"""Kinds of keys: what each is for and which algorithms it speaks. Source: AWS KMS Developer Guide, "Key spec reference"; API_CreateKey."""

from __future__ import annotations

from typing import NamedTuple

ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC = "ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC"
KEY_AGREEMENT, ENCAPSULATE_DECAPSULATE = "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"

SYMMETRIC = "SYMMETRIC_DEFAULT"


class Spec(NamedTuple):
    """`kind` says how material is made: symmetric, hmac, rsa, ec, ed25519, ml-dsa, ml-kem; `size` in bits, or the curve's name. `algorithms` by usage."""

    kind: str
    size: int | str
    algorithms: dict[str, tuple[str, ...]]

    @property
    def asymmetric(self) -> bool:
        return self.kind not in ("symmetric", "hmac")


_RSA = {
    ENCRYPT_DECRYPT: ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"),
    SIGN_VERIFY: (
        "RSASSA_PKCS1_V1_5_SHA_256",
        "RSASSA_PKCS1_V1_5_SHA_384",
        "RSASSA_PKCS1_V1_5_SHA_512",
        "RSASSA_PSS_SHA_256",
        "RSASSA_PSS_SHA_384",
        "RSASSA_PSS_SHA_512",
    ),
}


def _curve(name: str, signing: str) -> Spec:
    return Spec("ec", name, {SIGN_VERIFY: (signing,), KEY_AGREEMENT: ("ECDH",)})


SPECS: dict[str, Spec] = {
    SYMMETRIC: Spec("symmetric", 256, {ENCRYPT_DECRYPT: (SYMMETRIC,)}),
    **{f"HMAC_{bits}": Spec("hmac", bits, {GENERATE_VERIFY_MAC: (f"HMAC_SHA_{bits}",)}) for bits in (224, 256, 384, 512)},
    **{f"RSA_{bits}": Spec("rsa", bits, _RSA) for bits in (2048, 3072, 4096)},
    "ECC_NIST_P256": _curve("secp256r1", "ECDSA_SHA_256"),
    "ECC_NIST_P384": _curve("secp384r1", "ECDSA_SHA_384"),
    "ECC_NIST_P521": _curve("secp521r1", "ECDSA_SHA_512"),
    "ECC_SECG_P256K1": Spec("ec", "secp256k1", {SIGN_VERIFY: ("ECDSA_SHA_256",)}),
    "ECC_NIST_EDWARDS25519": Spec("ed25519", 256, {SIGN_VERIFY: ("ED25519_SHA_512", "ED25519_PH_SHA_512")}),
    **{f"ML_DSA_{size}": Spec("ml-dsa", size, {SIGN_VERIFY: ("ML_DSA_SHAKE_256",)}) for size in (44, 65, 87)},
    **{f"ML_KEM_{size}": Spec("ml-kem", size, {ENCAPSULATE_DECAPSULATE: ("ML_KEM",)}) for size in (768, 1024)},
}

ALGORITHM_MEMBERS = {
    ENCRYPT_DECRYPT: "EncryptionAlgorithms",
    SIGN_VERIFY: "SigningAlgorithms",
    GENERATE_VERIFY_MAC: "MacAlgorithms",
    KEY_AGREEMENT: "KeyAgreementAlgorithms",
    ENCAPSULATE_DECAPSULATE: "EncapsulationAlgorithms",
}
"""Where an answer lists the algorithms of a key of that usage."""
