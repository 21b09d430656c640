"""Imported key material: wrapped, imported, expired, deleted, imported again."""

import datetime
import os

import pytest
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

NEVER = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}


def wrap(parameters, material, algorithm="RSAES_OAEP_SHA_256"):
    digest = hashes.SHA1() if algorithm.endswith("SHA_1") else hashes.SHA256()
    oaep = padding.OAEP(padding.MGF1(digest), digest, None)
    public = serialization.load_der_public_key(parameters["PublicKey"])
    if not algorithm.startswith("RSA_AES"):
        return public.encrypt(material, oaep)
    inner = os.urandom(32)
    return public.encrypt(inner, oaep) + keywrap.aes_key_wrap_with_padding(inner, material)


@pytest.fixture
def bring(kms):
    """`bring(arn, material, ...)`: imports it, wrapped."""

    def imported(arn, material, algorithm="RSAES_OAEP_SHA_256", **options):
        parameters = kms.get_parameters_for_import(KeyId=arn, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048")
        assert parameters["KeyId"] == arn
        asked = {"KeyId": arn, "ImportToken": parameters["ImportToken"], **(options or NEVER)}
        return kms.import_key_material(EncryptedKeyMaterial=wrap(parameters, material, algorithm), **asked)

    return imported


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"])
def test_a_key_waits_for_its_material(kms, key, bring, fails, algorithm):
    arn = key(Origin="EXTERNAL")
    before = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (before["KeyState"], before["Enabled"], before["Origin"]) == ("PendingImport", False, "EXTERNAL")
    assert "CurrentKeyMaterialId" not in before
    with fails("KMSInvalidStateException", f"{arn} is pending import.", 400):
        kms.encrypt(KeyId=arn, Plaintext=b"x")
    made = bring(arn, os.urandom(32), algorithm)
    after = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (after["KeyState"], after["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    assert after["CurrentKeyMaterialId"] == made["KeyMaterialId"]
    assert kms.decrypt(CiphertextBlob=kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"])["Plaintext"] == b"x"


def test_deleted_material_can_come_back_but_no_other(kms, key, bring, fails):
    arn, material = key(Origin="EXTERNAL"), os.urandom(32)
    first = bring(arn, material)["KeyMaterialId"]
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert kms.delete_imported_key_material(KeyId=arn)["KeyMaterialId"] == first
    with fails("KMSInvalidStateException", f"{arn} is pending import.", 400):
        kms.decrypt(CiphertextBlob=blob)
    with fails("IncorrectKeyMaterialException", None, 400):
        bring(arn, os.urandom(32))
    assert bring(arn, material)["KeyMaterialId"] == first
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_material_expires(kms, key, bring, clock):
    arn, material = key(Origin="EXTERNAL"), os.urandom(32)
    until = datetime.datetime.fromtimestamp(int(clock.now_s()) + 3600, datetime.UTC)
    bring(arn, material, ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=until)
    described = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (described["ExpirationModel"], described["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", until)
    clock.advance("59m")
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Enabled"
    clock.advance("2m")
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "PendingImport"
    bring(arn, material)
    clock.advance("1d")
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_private_key_is_imported(kms, key, bring, fails):
    private = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    arn = key(Origin="EXTERNAL", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    bring(arn, pkcs8, "RSA_AES_KEY_WRAP_SHA_256")
    signature = kms.sign(KeyId=arn, Message=b"m", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    private.public_key().verify(signature, b"m", ec.ECDSA(hashes.SHA256()))
    other = key(Origin="EXTERNAL", KeySpec="ECC_NIST_P384", KeyUsage="SIGN_VERIFY")
    for wrong in (pkcs8, b"nonsense"):
        with fails("IncorrectKeyMaterialException"):
            bring(other, wrong, "RSA_AES_KEY_WRAP_SHA_256")


def test_an_rsa_key_and_a_mac_key_are_imported(kms, key, bring, fails):
    private = rsa.generate_private_key(65_537, 2048)
    pkcs8 = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    arn = key(Origin="EXTERNAL", KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    bring(arn, pkcs8, "RSA_AES_KEY_WRAP_SHA_256")
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")["CiphertextBlob"]
    assert private.decrypt(blob, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)) == b"x"
    mac_arn = key(Origin="EXTERNAL", KeySpec="HMAC_384", KeyUsage="GENERATE_VERIFY_MAC")
    with fails("IncorrectKeyMaterialException"):
        bring(mac_arn, os.urandom(32))
    bring(mac_arn, os.urandom(48))
    assert len(kms.generate_mac(KeyId=mac_arn, Message=b"m", MacAlgorithm="HMAC_SHA_384")["Mac"]) == 48


def test_new_material_waits_for_a_rotation(kms, key, bring, fails):
    arn, materials = key(Origin="EXTERNAL"), [os.urandom(32), os.urandom(32)]
    with fails("KMSInvalidStateException"):
        kms.rotate_key_on_demand(KeyId=arn)
    first = bring(arn, materials[0])["KeyMaterialId"]
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    second = bring(arn, materials[1], **NEVER, ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="second")["KeyMaterialId"]
    listed = kms.list_key_rotations(KeyId=arn, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [(each["KeyMaterialId"], each["KeyMaterialState"]) for each in listed] == [(first, "CURRENT"), (second, "PENDING_ROTATION")]
    assert listed[1]["KeyMaterialDescription"] == "second" and listed[1]["ImportState"] == "IMPORTED"
    with fails("KMSInvalidStateException"):
        bring(arn, os.urandom(32), **NEVER, ImportType="NEW_KEY_MATERIAL")
    kms.rotate_key_on_demand(KeyId=arn)
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["CurrentKeyMaterialId"] == second
    assert kms.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == first
    kms.delete_imported_key_material(KeyId=arn, KeyMaterialId=first)
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "PendingImport"
    bring(arn, materials[0], **NEVER, KeyMaterialId=first)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_tokens(kms, key, clock, fails):
    arn, other = key(Origin="EXTERNAL"), key(Origin="EXTERNAL")
    parameters = kms.get_parameters_for_import(KeyId=arn, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_3072")
    wrapped = wrap(parameters, os.urandom(32))
    with fails("InvalidImportTokenException"):
        kms.import_key_material(KeyId=other, ImportToken=parameters["ImportToken"], EncryptedKeyMaterial=wrapped, **NEVER)
    with fails("InvalidImportTokenException"):
        kms.import_key_material(KeyId=arn, ImportToken=b"nonsense", EncryptedKeyMaterial=wrapped, **NEVER)
    with fails("InvalidCiphertextException"):
        kms.import_key_material(KeyId=arn, ImportToken=parameters["ImportToken"], EncryptedKeyMaterial=b"nonsense", **NEVER)
    with fails("ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES."):
        kms.import_key_material(KeyId=arn, ImportToken=parameters["ImportToken"], EncryptedKeyMaterial=wrapped)
    clock.advance("25h")
    with fails("ExpiredImportTokenException", None, 400):
        kms.import_key_material(KeyId=arn, ImportToken=parameters["ImportToken"], EncryptedKeyMaterial=wrapped, **NEVER)


def test_material_of_kms_stays_its_own(kms, key, fails):
    arn = key()
    message = f"{arn} origin is AWS_KMS which is not valid for this operation."
    with fails("UnsupportedOperationException", message, 400):
        kms.get_parameters_for_import(KeyId=arn, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
    with fails("UnsupportedOperationException", message, 400):
        kms.delete_imported_key_material(KeyId=arn)
