"""Sign and Verify by every algorithm, against the public key; MACs against the standard library."""

import hashlib

import pytest
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from groundcloud.services.kms import edwards

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
RSA = [f"RSASSA_{kind}_SHA_{bits}" for kind in ("PSS", "PKCS1_V1_5") for bits in HASHES]
ECC = [
    ("ECC_NIST_P256", "ECDSA_SHA_256"),
    ("ECC_NIST_P384", "ECDSA_SHA_384"),
    ("ECC_NIST_P521", "ECDSA_SHA_512"),
    ("ECC_SECG_P256K1", "ECDSA_SHA_256"),
]


def check_outside(public, algorithm, message, signature):
    """With the public key alone, as anyone can."""
    digest = HASHES[algorithm[-3:]]
    if algorithm.startswith("ECDSA"):
        public.verify(signature, message, ec.ECDSA(digest))
    elif "PSS" in algorithm:
        public.verify(signature, message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    else:
        public.verify(signature, message, padding.PKCS1v15(), digest)


@pytest.fixture(scope="module")
def rsa_key(ground):
    return ground.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]


def round_trip(kms, arn, algorithm):
    message = b"the quick brown fox"
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
    made = kms.sign(KeyId=arn, Message=message, SigningAlgorithm=algorithm)
    assert (made["KeyId"], made["SigningAlgorithm"]) == (arn, algorithm)
    check_outside(public, algorithm, message, made["Signature"])
    digest = hashlib.new(f"sha{algorithm[-3:]}", message).digest()
    of_digest = kms.sign(KeyId=arn, Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm)["Signature"]
    check_outside(public, algorithm, message, of_digest)
    same = {"KeyId": arn, "SigningAlgorithm": algorithm}
    assert kms.verify(Message=message, Signature=of_digest, **same)["SignatureValid"] is True
    assert kms.verify(Message=digest, MessageType="DIGEST", Signature=made["Signature"], **same)["SignatureValid"] is True
    with pytest.raises(ClientError) as caught:
        kms.verify(Message=b"another message", Signature=made["Signature"], **same)
    assert caught.value.response["Error"] == {"Code": "KMSInvalidSignatureException", "Message": ""}
    with pytest.raises(ClientError, match="Digest is invalid length for algorithm"):
        kms.sign(Message=digest[1:], MessageType="DIGEST", **same)


@pytest.mark.parametrize("algorithm", RSA)
def test_rsa_signs(ground, rsa_key, algorithm):
    round_trip(ground.client("kms"), rsa_key, algorithm)


@pytest.mark.parametrize(("spec", "algorithm"), ECC)
def test_curves_sign(kms, key, spec, algorithm):
    round_trip(kms, key(KeySpec=spec, KeyUsage="SIGN_VERIFY"), algorithm)


def test_edwards_signs_whole_messages_and_digests(kms, key, fails):
    arn = key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
    made = kms.sign(KeyId=arn, Message=b"m", SigningAlgorithm="ED25519_SHA_512")["Signature"]
    public.verify(made, b"m")
    assert kms.verify(KeyId=arn, Message=b"m", Signature=made, SigningAlgorithm="ED25519_SHA_512")["SignatureValid"]
    digest = hashlib.sha512(b"m").digest()
    asked = {"KeyId": arn, "Message": digest, "MessageType": "DIGEST", "SigningAlgorithm": "ED25519_PH_SHA_512"}
    signed = kms.sign(**asked)["Signature"]
    assert kms.verify(Signature=signed, **asked)["SignatureValid"]
    with pytest.raises(InvalidSignature):
        public.verify(signed, digest)
    with fails("KMSInvalidSignatureException", ""):
        kms.verify(Signature=made, **asked)
    with fails("ValidationException", "MessageType DIGEST is not valid for algorithm ED25519_SHA_512."):
        kms.sign(**{**asked, "SigningAlgorithm": "ED25519_SHA_512"})


def test_the_prehashed_form_holds_against_the_rfc():
    """RFC 8032, section 7.3."""
    seed = bytes.fromhex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42")
    public = bytes.fromhex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf")
    signature = bytes.fromhex(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    )
    prehash = hashlib.sha512(b"abc").digest()
    assert edwards.sign(seed, prehash) == signature
    assert edwards.verify(public, signature, prehash)
    for place in (0, 31, 32, 63):
        touched = bytearray(signature)
        touched[place] ^= 1
        assert not edwards.verify(public, bytes(touched), prehash)
    assert not edwards.verify(public, signature[:-1], prehash) and not edwards.verify(b"\xff" * 32, signature, prehash)


@pytest.mark.parametrize("size", [44, 65, 87])
def test_lattices_sign(kms, size):
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    arn = kms.create_key(KeySpec=f"ML_DSA_{size}", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
    asked = {"KeyId": arn, "SigningAlgorithm": "ML_DSA_SHAKE_256"}
    made = kms.sign(Message=b"m", **asked)["Signature"]
    public.verify(made, b"m")
    hasher = mldsa.MLDSAMuHasher(public)
    hasher.update(b"m")
    mu = hasher.finalize()
    assert kms.verify(Message=mu, MessageType="EXTERNAL_MU", Signature=made, **asked)["SignatureValid"]
    public.verify(kms.sign(Message=mu, MessageType="EXTERNAL_MU", **asked)["Signature"], b"m")


def test_a_signing_key_has_its_algorithms_alone(kms, key, fails):
    arn = key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    with fails("InvalidKeyUsageException", "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256.", 400):
        kms.sign(KeyId=arn, Message=b"m", SigningAlgorithm="ECDSA_SHA_384")
    with fails("InvalidKeyUsageException", f"{arn} key usage is SIGN_VERIFY which is not valid for Decrypt."):
        kms.decrypt(KeyId=arn, CiphertextBlob=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_1")
    with fails("UnsupportedOperationException"):
        kms.get_public_key(KeyId=key())
    with fails("DryRunOperationException"):
        kms.sign(KeyId=arn, Message=b"m", SigningAlgorithm="ECDSA_SHA_256", DryRun=True)


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_a_mac_is_checked(kms, key, fails, bits):
    arn = key(KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC")
    asked = {"KeyId": arn, "MacAlgorithm": f"HMAC_SHA_{bits}"}
    made = kms.generate_mac(Message=b"m", **asked)
    assert len(made["Mac"]) == bits // 8 and made["KeyId"] == arn
    assert kms.verify_mac(Message=b"m", Mac=made["Mac"], **asked)["MacValid"] is True
    with fails("KMSInvalidMacException", "", 400):
        kms.verify_mac(Message=b"n", Mac=made["Mac"], **asked)
    with fails("DryRunOperationException"):
        kms.generate_mac(Message=b"m", DryRun=True, **asked)
