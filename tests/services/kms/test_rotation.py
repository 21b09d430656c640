"""Rotation: by its schedule on the virtual clock, on demand; old ciphertexts stay readable."""

import pytest

DAY_S = 86_400


def material(kms, arn):
    return kms.describe_key(KeyId=arn)["KeyMetadata"]["CurrentKeyMaterialId"]


def test_a_key_rotates_on_its_day_and_reads_what_it_wrote(kms, key, clock):
    arn = key()
    assert kms.get_key_rotation_status(KeyId=arn) | {"ResponseMetadata": 0} == {
        "KeyId": arn,
        "KeyRotationEnabled": False,
        "ResponseMetadata": 0,
    }
    kms.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    status = kms.get_key_rotation_status(KeyId=arn)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 90)
    assert abs(status["NextRotationDate"].timestamp() - clock.now_s() - 90 * DAY_S) < 60
    first, blob = material(kms, arn), kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    clock.advance("89d")
    assert material(kms, arn) == first
    clock.advance("1d")
    second = material(kms, arn)
    assert second != first
    opened = kms.decrypt(CiphertextBlob=blob)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"x", first)
    assert kms.decrypt(CiphertextBlob=kms.encrypt(KeyId=arn, Plaintext=b"y")["CiphertextBlob"])["KeyMaterialId"] == second
    clock.advance("90d")
    rotations = kms.list_key_rotations(KeyId=arn)["Rotations"]
    assert [(each["RotationType"], each["KeyMaterialState"]) for each in rotations] == [
        ("AUTOMATIC", "NON_CURRENT"),
        ("AUTOMATIC", "CURRENT"),
    ]
    assert (rotations[1]["RotationDate"] - rotations[0]["RotationDate"]).days == 90
    kms.disable_key_rotation(KeyId=arn)
    third = material(kms, arn)
    clock.advance("180d")
    assert material(kms, arn) == third


def test_a_key_rotates_on_demand(kms, key, clock, fails):
    arn = key()
    kms.enable_key_rotation(KeyId=arn)
    planned = kms.get_key_rotation_status(KeyId=arn)
    assert planned["RotationPeriodInDays"] == 365
    blobs = []
    for _ in range(25):
        blobs.append(kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"])
        assert kms.rotate_key_on_demand(KeyId=arn)["KeyId"] == arn
    assert {kms.decrypt(CiphertextBlob=blob)["Plaintext"] for blob in blobs} == {b"x"}
    with fails("LimitExceededException", None, 400):
        kms.rotate_key_on_demand(KeyId=arn)
    assert kms.get_key_rotation_status(KeyId=arn)["NextRotationDate"] == planned["NextRotationDate"]
    first = kms.list_key_rotations(KeyId=arn, Limit=20)
    second = kms.list_key_rotations(KeyId=arn, Limit=20, Marker=first["NextMarker"])
    assert {each["RotationType"] for each in first["Rotations"]} == {"ON_DEMAND"}
    assert (len(first["Rotations"]), len(second["Rotations"]), second["Truncated"]) == (20, 5, False)
    everything = kms.list_key_rotations(KeyId=arn, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert len(everything) == 26 and "RotationDate" not in everything[0] and everything[-1]["KeyMaterialId"] == material(kms, arn)


def test_a_disabled_key_catches_up_when_it_is_enabled(kms, key, clock):
    arn = key()
    kms.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    first = material(kms, arn)
    kms.disable_key(KeyId=arn)
    clock.advance("100d")
    assert material(kms, arn) == first
    kms.enable_key(KeyId=arn)
    assert material(kms, arn) != first
    assert abs(kms.get_key_rotation_status(KeyId=arn)["NextRotationDate"].timestamp() - clock.now_s() - 80 * DAY_S) < 3600


def test_a_key_that_is_to_go_does_not_rotate(kms, key):
    arn = key()
    kms.enable_key_rotation(KeyId=arn)
    kms.schedule_key_deletion(KeyId=arn)
    assert kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is False
    kms.cancel_key_deletion(KeyId=arn)
    assert kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is True


@pytest.mark.parametrize("operation", ["enable_key_rotation", "disable_key_rotation", "rotate_key_on_demand", "list_key_rotations"])
def test_only_symmetric_keys_rotate(kms, key, fails, operation):
    arn = key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    with fails("UnsupportedOperationException", None, 400):
        getattr(kms, operation)(KeyId=arn)


def test_material_that_kms_did_not_make_does_not_rotate_by_itself(kms, key, fails):
    arn = key(Origin="EXTERNAL")
    with fails("UnsupportedOperationException", f"{arn} origin is EXTERNAL which is not valid for this operation.", 400):
        kms.enable_key_rotation(KeyId=arn)


def test_an_aws_managed_key_rotates_every_year(kms, clock):
    arn = kms.describe_key(KeyId="alias/aws/sqs")["KeyMetadata"]["Arn"]
    first = material(kms, arn)
    clock.advance("366d")
    assert material(kms, arn) != first and len(kms.list_key_rotations(KeyId=arn)["Rotations"]) == 1
