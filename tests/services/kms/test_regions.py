"""Multi-Region keys: replicas that open one another's ciphertexts, rotate together, and change their primary."""

import os

import pytest
from tests.services.kms.test_imports import NEVER, wrap


@pytest.fixture
def europe(client):
    return client("kms", region="eu-west-1")


@pytest.fixture
def primary(key):
    return key(MultiRegion=True)


def in_europe(arn):
    return arn.replace("us-east-1", "eu-west-1")


def test_a_replica_opens_what_its_primary_sealed(kms, europe, primary, account):
    made = kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1", Description="there", Tags=[{"TagKey": "a", "TagValue": "1"}])
    assert made["ReplicaKeyMetadata"]["Arn"] == in_europe(primary) and made["ReplicaKeyMetadata"]["KeyState"] == "Creating"
    assert made["ReplicaTags"] == [{"TagKey": "a", "TagValue": "1"}] and f"arn:aws:iam::{account}:root" in made["ReplicaPolicy"]
    shown = europe.describe_key(KeyId=in_europe(primary))["KeyMetadata"]
    assert (shown["KeyState"], shown["MultiRegion"], shown["Description"]) == ("Enabled", True, "there")
    assert shown["KeyId"].startswith("mrk-") and shown["KeyId"] in primary
    assert shown["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": {"Arn": primary, "Region": "us-east-1"},
        "ReplicaKeys": [{"Arn": in_europe(primary), "Region": "eu-west-1"}],
    }
    assert kms.describe_key(KeyId=primary)["KeyMetadata"]["MultiRegionConfiguration"]["MultiRegionKeyType"] == "PRIMARY"
    blob = kms.encrypt(KeyId=primary, Plaintext=b"x")["CiphertextBlob"]
    opened = europe.decrypt(CiphertextBlob=blob)
    assert (opened["Plaintext"], opened["KeyId"]) == (b"x", in_europe(primary))
    assert kms.decrypt(CiphertextBlob=europe.encrypt(KeyId=in_europe(primary), Plaintext=b"y")["CiphertextBlob"])["Plaintext"] == b"y"


def test_related_keys_rotate_together(kms, europe, primary, clock, fails):
    kms.enable_key_rotation(KeyId=primary, RotationPeriodInDays=90)
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    replica = in_europe(primary)
    blob = europe.encrypt(KeyId=replica, Plaintext=b"x")["CiphertextBlob"]
    with fails("UnsupportedOperationException"):
        europe.disable_key_rotation(KeyId=replica)
    before = europe.describe_key(KeyId=replica)["KeyMetadata"]["CurrentKeyMaterialId"]
    clock.advance("90d")
    after = europe.describe_key(KeyId=replica)["KeyMetadata"]["CurrentKeyMaterialId"]
    assert after != before and after == kms.describe_key(KeyId=primary)["KeyMetadata"]["CurrentKeyMaterialId"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == europe.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    kms.update_primary_region(KeyId=primary, PrimaryRegion="eu-west-1")
    clock.advance("90d")
    assert len(europe.list_key_rotations(KeyId=replica)["Rotations"]) == 2
    europe.disable_key_rotation(KeyId=replica)
    assert kms.get_key_rotation_status(KeyId=primary)["KeyRotationEnabled"] is False


def test_the_primary_changes(kms, europe, primary, fails):
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    kms.replicate_key(KeyId=primary, ReplicaRegion="ap-south-1")
    kms.update_primary_region(KeyId=primary, PrimaryRegion="eu-west-1")
    configuration = kms.describe_key(KeyId=primary)["KeyMetadata"]["MultiRegionConfiguration"]
    assert configuration["MultiRegionKeyType"] == "REPLICA" and configuration["PrimaryKey"]["Region"] == "eu-west-1"
    assert {each["Region"] for each in configuration["ReplicaKeys"]} == {"us-east-1", "ap-south-1"}
    with fails("UnsupportedOperationException"):
        kms.replicate_key(KeyId=primary, ReplicaRegion="eu-north-1")
    europe.replicate_key(KeyId=in_europe(primary), ReplicaRegion="eu-north-1")


def test_a_replica_is_made_once_of_a_primary_alone(kms, key, primary, fails):
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    with fails("AlreadyExistsException"):
        kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    with fails("AlreadyExistsException"):
        kms.replicate_key(KeyId=primary, ReplicaRegion="us-east-1")
    with fails("UnsupportedOperationException"):
        kms.replicate_key(KeyId=key(), ReplicaRegion="eu-west-1")
    with fails("NotFoundException"):
        kms.update_primary_region(KeyId=primary, PrimaryRegion="ap-south-1")


def test_a_primary_goes_after_its_replicas(kms, europe, primary, clock, fails):
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    planned = kms.schedule_key_deletion(KeyId=primary, PendingWindowInDays=7)
    assert planned["KeyState"] == "PendingReplicaDeletion" and "DeletionDate" not in planned
    clock.advance("20d")
    shown = kms.describe_key(KeyId=primary)["KeyMetadata"]
    assert (shown["KeyState"], shown["PendingDeletionWindowInDays"]) == ("PendingReplicaDeletion", 7)
    europe.schedule_key_deletion(KeyId=in_europe(primary), PendingWindowInDays=7)
    clock.advance("7d")
    with fails("NotFoundException"):
        europe.describe_key(KeyId=in_europe(primary))
    shown = kms.describe_key(KeyId=primary)["KeyMetadata"]
    assert shown["KeyState"] == "PendingDeletion" and shown["MultiRegionConfiguration"]["ReplicaKeys"] == []
    clock.advance("7d")
    with fails("NotFoundException"):
        kms.describe_key(KeyId=primary)


def test_imported_material_comes_to_each_region(kms, europe, key, fails):
    arn, materials = key(MultiRegion=True, Origin="EXTERNAL"), [os.urandom(32), os.urandom(32)]

    def bring(client, key_arn, material, **options):
        parameters = client.get_parameters_for_import(KeyId=key_arn, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
        asked = {"ImportToken": parameters["ImportToken"], "EncryptedKeyMaterial": wrap(parameters, material)}
        return client.import_key_material(KeyId=key_arn, **asked, **NEVER, **options)["KeyMaterialId"]

    first, there = bring(kms, arn, materials[0]), in_europe(arn)
    kms.replicate_key(KeyId=arn, ReplicaRegion="eu-west-1")
    assert europe.describe_key(KeyId=there)["KeyMetadata"]["KeyState"] == "PendingImport"
    with fails("IncorrectKeyMaterialException"):
        bring(europe, there, os.urandom(32))
    assert bring(europe, there, materials[0]) == first
    blob = europe.encrypt(KeyId=there, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    second = bring(kms, arn, materials[1], ImportType="NEW_KEY_MATERIAL")
    waiting = kms.list_key_rotations(KeyId=arn, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"][1]
    assert waiting["KeyMaterialState"] == "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    with fails("KMSInvalidStateException"):
        kms.rotate_key_on_demand(KeyId=arn)
    bring(europe, there, materials[1], ImportType="NEW_KEY_MATERIAL")
    kms.rotate_key_on_demand(KeyId=arn)
    assert europe.describe_key(KeyId=there)["KeyMetadata"]["CurrentKeyMaterialId"] == second
    assert europe.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
