"""Encrypt, Decrypt, ReEncrypt, GenerateRandom, data keys."""

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding


def test_what_was_encrypted_is_decrypted_without_naming_the_key(kms, key):
    arn = key()
    sealed = kms.encrypt(KeyId=arn, Plaintext=b"attack at dawn")
    assert sealed["KeyId"] == arn and sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])
    assert (opened["Plaintext"], opened["KeyId"], opened["EncryptionAlgorithm"]) == (b"attack at dawn", arn, "SYMMETRIC_DEFAULT")
    assert opened["KeyMaterialId"] == kms.describe_key(KeyId=arn)["KeyMetadata"]["CurrentKeyMaterialId"]


@pytest.mark.parametrize("context", [None, {}, {"a": "1"}, {"a": "1", "b": "3"}, {"A": "1", "b": "2"}])
def test_another_encryption_context_opens_nothing(kms, key, fails, context):
    blob = kms.encrypt(KeyId=key(), Plaintext=b"x", EncryptionContext={"b": "2", "a": "1"})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "1", "b": "2"})["Plaintext"] == b"x"
    with fails("InvalidCiphertextException", "", 400):
        kms.decrypt(CiphertextBlob=blob, **({} if context is None else {"EncryptionContext": context}))


def test_a_blob_that_was_touched_opens_nothing(kms, key, fails):
    blob = bytearray(kms.encrypt(KeyId=key(), Plaintext=b"x")["CiphertextBlob"])
    for place in (-1, len(blob) // 2, 70, 0):
        touched = bytearray(blob)
        touched[place] ^= 1
        with pytest.raises(ClientError) as caught:
            kms.decrypt(CiphertextBlob=bytes(touched))
        assert caught.value.response["Error"]["Code"] in ("InvalidCiphertextException", "AccessDeniedException")
    with fails("InvalidCiphertextException", "", 400):
        kms.decrypt(CiphertextBlob=b"nonsense")


def test_naming_another_key_is_an_error(kms, key, fails):
    blob = kms.encrypt(KeyId=key(), Plaintext=b"x")["CiphertextBlob"]
    with fails("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.", 400):
        kms.decrypt(CiphertextBlob=blob, KeyId=key())


def test_a_key_goes_by_four_names(kms, key, account):
    arn = key()
    kms.create_alias(AliasName="alias/team/orders", TargetKeyId=arn)
    alias_arn = f"arn:aws:kms:us-east-1:{account}:alias/team/orders"
    for name in (arn, arn.rpartition("/")[2], "alias/team/orders", alias_arn):
        blob = kms.encrypt(KeyId=name, Plaintext=b"x")["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=blob, KeyId=name)["Plaintext"] == b"x"


def test_names_of_nothing(kms, account, fails):
    missing = f"arn:aws:kms:us-east-1:{account}:key/12345678-1234-1234-1234-123456789012"
    with fails("NotFoundException", f"Key '{missing}' does not exist", 400):
        kms.encrypt(KeyId="12345678-1234-1234-1234-123456789012", Plaintext=b"x")
    with fails("NotFoundException", f"Alias arn:aws:kms:us-east-1:{account}:alias/none is not found.", 400):
        kms.encrypt(KeyId="alias/none", Plaintext=b"x")
    with fails("NotFoundException", "Invalid keyId 'orders'"):
        kms.encrypt(KeyId="orders", Plaintext=b"x")
    with fails("NotFoundException", "Invalid arn eu-west-1"):
        kms.encrypt(KeyId=missing.replace("us-east-1", "eu-west-1"), Plaintext=b"x")


@pytest.mark.parametrize(
    ("asked", "size"),
    [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1}, 1), ({"NumberOfBytes": 1024}, 1024)],
)
def test_a_data_key_comes_plain_and_encrypted(kms, key, asked, size):
    arn = key()
    made = kms.generate_data_key(KeyId=arn, EncryptionContext={"k": "v"}, **asked)
    assert len(made["Plaintext"]) == size and made["KeyId"] == arn
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"k": "v"})
    assert opened["Plaintext"] == made["Plaintext"] and opened["KeyMaterialId"] == made["KeyMaterialId"]
    hidden = kms.generate_data_key_without_plaintext(KeyId=arn, **asked)
    assert "Plaintext" not in hidden and len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == size


@pytest.mark.parametrize("asked", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}])
def test_a_data_key_wants_one_size(kms, key, fails, asked):
    with fails("ValidationException", "Please specify either number of bytes or key spec.", 400):
        kms.generate_data_key(KeyId=key(), **asked)


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"])
def test_a_data_key_pair_is_a_pair(kms, key, spec):
    arn = key()
    made = kms.generate_data_key_pair(KeyId=arn, KeyPairSpec=spec)
    private = serialization.load_der_private_key(made["PrivateKeyPlaintext"], None)
    public = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert public == made["PublicKey"] and made["KeyPairSpec"] == spec
    assert kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"])["Plaintext"] == made["PrivateKeyPlaintext"]
    hidden = kms.generate_data_key_pair_without_plaintext(KeyId=arn, KeyPairSpec=spec)
    assert "PrivateKeyPlaintext" not in hidden and hidden["PrivateKeyCiphertextBlob"]


def test_re_encrypting_changes_key_and_context(kms, key):
    first, second = key(), key()
    blob = kms.encrypt(KeyId=first, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    moved = kms.re_encrypt(
        CiphertextBlob=blob, SourceEncryptionContext={"a": "1"}, DestinationKeyId=second, DestinationEncryptionContext={"b": "2"}
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (first, second)
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], KeyId=second, EncryptionContext={"b": "2"})["Plaintext"] == b"x"


@pytest.mark.parametrize(
    ("algorithm", "digest", "largest"), [("RSAES_OAEP_SHA_1", hashes.SHA1(), 214), ("RSAES_OAEP_SHA_256", hashes.SHA256(), 190)]
)
def test_rsa_keys_encrypt_what_anyone_can_encrypt_for_them(kms, key, fails, algorithm, digest, largest):
    arn = key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x" * largest, EncryptionAlgorithm=algorithm)["CiphertextBlob"]
    opened = kms.decrypt(KeyId=arn, CiphertextBlob=blob, EncryptionAlgorithm=algorithm)
    assert opened["Plaintext"] == b"x" * largest and "KeyMaterialId" not in opened
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
    outside = public.encrypt(b"from outside", padding.OAEP(padding.MGF1(digest), digest, None))
    assert kms.decrypt(KeyId=arn, CiphertextBlob=outside, EncryptionAlgorithm=algorithm)["Plaintext"] == b"from outside"
    message = f"Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than {largest} bytes."
    with fails("ValidationException", message):
        kms.encrypt(KeyId=arn, Plaintext=b"x" * (largest + 1), EncryptionAlgorithm=algorithm)
    with fails("InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."):
        kms.encrypt(KeyId=arn, Plaintext=b"x")


def test_a_key_does_what_it_is_for_alone(kms, key, fails):
    arn = key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    with fails("InvalidKeyUsageException", f"{arn} key usage is GENERATE_VERIFY_MAC which is not valid for Encrypt.", 400):
        kms.encrypt(KeyId=arn, Plaintext=b"x")


def test_a_dry_run_says_what_would_have_been(kms, key, fails):
    arn = key()
    succeeded = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.", 400)
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    for attempt in (
        lambda: kms.encrypt(KeyId=arn, Plaintext=b"x", DryRun=True),
        lambda: kms.decrypt(CiphertextBlob=blob, DryRun=True),
        lambda: kms.decrypt(KeyId=arn, DryRun=True, DryRunModifiers=["IGNORE_CIPHERTEXT"]),
        lambda: kms.generate_data_key(KeyId=arn, KeySpec="AES_256", DryRun=True),
        lambda: kms.generate_data_key_pair(KeyId=arn, KeyPairSpec="RSA_4096", DryRun=True),
        lambda: kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=arn, DryRun=True),
    ):
        with fails(*succeeded):
            attempt()
    with fails("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=b"x" * 200, DryRun=True)


def test_random_bytes(kms):
    assert len(kms.generate_random(NumberOfBytes=1024)["Plaintext"]) == 1024
    assert kms.generate_random(NumberOfBytes=32)["Plaintext"] != kms.generate_random(NumberOfBytes=32)["Plaintext"]


def test_enclaves_are_refused_by_name(kms, key, fails):
    with pytest.raises(ClientError, match="attested enclaves") as caught:
        kms.generate_data_key(
            KeyId=key(), KeySpec="AES_256", Recipient={"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"}
        )
    assert caught.value.response["Error"]["Code"] == "NotImplementedException"
