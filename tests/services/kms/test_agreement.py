"""Shared secrets: two parties, one secret."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


@pytest.mark.parametrize(
    ("spec", "curve"), [("ECC_NIST_P256", ec.SECP256R1()), ("ECC_NIST_P384", ec.SECP384R1()), ("ECC_NIST_P521", ec.SECP521R1())]
)
def test_both_sides_derive_the_same_secret(kms, key, spec, curve):
    arn = key(KeySpec=spec, KeyUsage="KEY_AGREEMENT")
    other = ec.generate_private_key(curve)
    public = other.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    derived = kms.derive_shared_secret(KeyId=arn, KeyAgreementAlgorithm="ECDH", PublicKey=public)
    ours = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
    assert derived["SharedSecret"] == other.exchange(ec.ECDH(), ours)
    assert (derived["KeyId"], derived["KeyAgreementAlgorithm"], derived["KeyOrigin"]) == (arn, "ECDH", "AWS_KMS")


def test_a_public_key_of_another_curve_or_none(kms, key, fails):
    arn = key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    public = other.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    for wrong in (public, b"nonsense"):
        with fails("ValidationException", None, 400):
            kms.derive_shared_secret(KeyId=arn, KeyAgreementAlgorithm="ECDH", PublicKey=wrong)
    signing = key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    with fails("InvalidKeyUsageException", f"{signing} key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret."):
        kms.derive_shared_secret(KeyId=signing, KeyAgreementAlgorithm="ECDH", PublicKey=public)


@pytest.mark.parametrize("spec", ["ML_KEM_768", "ML_KEM_1024"])
def test_an_encapsulated_secret_comes_out_again(kms, key, fails, spec):
    pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mlkem")
    arn = key(KeySpec=spec, KeyUsage="ENCAPSULATE_DECAPSULATE")
    inside = kms.encapsulate(KeyId=arn, EncapsulationAlgorithm="ML_KEM")
    blob = inside["SharedSecretCiphertextBlob"]
    opened = kms.decapsulate(KeyId=arn, EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=blob)
    assert opened["SharedSecret"] == inside["SharedSecret"] and len(opened["SharedSecret"]) == 32
    secret, ours = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"]).encapsulate()
    assert kms.decapsulate(KeyId=arn, EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=ours)["SharedSecret"] == secret
    touched = bytes([blob[0] ^ 1]) + blob[1:]
    other = kms.decapsulate(KeyId=arn, EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=touched)["SharedSecret"]
    assert len(other) == 32 and other != inside["SharedSecret"]
    with fails("InvalidCiphertextException", "", 400):
        kms.decapsulate(KeyId=arn, EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=blob[1:])
