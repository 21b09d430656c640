"""What KMS acknowledged outlives a kill; what it keeps at rest is sealed; timers fall due after."""

import pytest


def test_keys_outlive_a_kill(process):
    kms = process.client("kms")
    arn = kms.create_key(Tags=[{"TagKey": "a", "TagValue": "1"}])["KeyMetadata"]["Arn"]
    signer = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    doomed = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/app", TargetKeyId=arn)
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    signature = kms.sign(KeyId=signer, Message=b"m", SigningAlgorithm="RSASSA_PSS_SHA_256")["Signature"]
    token = kms.create_grant(KeyId=arn, GranteePrincipal="arn:aws:iam::999999999999:root", Operations=["Encrypt"])["GrantToken"]
    kms.rotate_key_on_demand(KeyId=arn)
    kms.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
    process.restart()
    kms = process.client("kms")
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "1"})["Plaintext"] == b"x"
    assert kms.verify(KeyId=signer, Message=b"m", Signature=signature, SigningAlgorithm="RSASSA_PSS_SHA_256")["SignatureValid"]
    assert kms.describe_key(KeyId="alias/app")["KeyMetadata"]["Arn"] == arn
    assert kms.get_key_last_usage(KeyId=arn)["KeyLastUsage"]["Operation"] in ("Encrypt", "Decrypt")
    kms.retire_grant(GrantToken=token)
    process.advance("91d")
    assert len(kms.list_key_rotations(KeyId=arn)["Rotations"]) == 2
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId=doomed)


def test_material_rests_sealed(process):
    """An imported key's material is known here, so it can be looked for on the disk."""
    from tests.services.kms.test_imports import NEVER, wrap

    kms, material = process.client("kms"), bytes(range(200, 232))
    arn = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["Arn"]
    parameters = kms.get_parameters_for_import(KeyId=arn, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
    kms.import_key_material(KeyId=arn, ImportToken=parameters["ImportToken"], EncryptedKeyMaterial=wrap(parameters, material), **NEVER)
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    process.kill()
    files = [path.read_bytes() for path in process.data_dir.rglob("*") if path.is_file()]
    assert any(arn.rpartition("/")[2].encode() in content for content in files), "the key itself is there"
    assert not any(material in content or b"-----BEGIN" in content for content in files)
    process.start()
    assert process.client("kms").decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
