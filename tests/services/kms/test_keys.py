"""Keys: made, described, listed, enabled and disabled, tagged, deleted."""

import pytest
from botocore.exceptions import ClientError

SPECS = [
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", ["SYMMETRIC_DEFAULT"]),
    ("RSA_2048", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]),
    ("ECC_NIST_P256", "SIGN_VERIFY", "SigningAlgorithms", ["ECDSA_SHA_256"]),
    ("ECC_NIST_P384", "KEY_AGREEMENT", "KeyAgreementAlgorithms", ["ECDH"]),
    ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "SigningAlgorithms", ["ED25519_SHA_512", "ED25519_PH_SHA_512"]),
    ("HMAC_384", "GENERATE_VERIFY_MAC", "MacAlgorithms", ["HMAC_SHA_384"]),
]


@pytest.mark.parametrize(("spec", "usage", "member", "algorithms"), SPECS)
def test_a_new_key_is_described(kms, account, spec, usage, member, algorithms):
    made = kms.create_key(KeySpec=spec, KeyUsage=usage, Description="for orders")["KeyMetadata"]
    assert made[member] == algorithms
    assert made["Arn"] == f"arn:aws:kms:us-east-1:{account}:key/{made['KeyId']}" and made["AWSAccountId"] == account
    assert (made["KeySpec"], made["CustomerMasterKeySpec"], made["KeyUsage"]) == (spec, spec, usage)
    assert (made["KeyState"], made["Enabled"], made["KeyManager"], made["Origin"]) == ("Enabled", True, "CUSTOMER", "AWS_KMS")
    assert made["MultiRegion"] is False and made["Description"] == "for orders"
    assert ("CurrentKeyMaterialId" in made) == (spec == "SYMMETRIC_DEFAULT")
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"] == made


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"KeySpec": "RSA_2048"}, "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."),
        (
            {"KeySpec": "RSA_2048", "KeyUsage": "GENERATE_VERIFY_MAC"},
            "KeyUsage GENERATE_VERIFY_MAC is not compatible with KeySpec RSA_2048",
        ),
        ({"KeyUsage": "SIGN_VERIFY"}, "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"),
        (
            {"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"},
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
        ),
    ],
)
def test_a_key_of_no_kind(kms, fails, asked, message):
    with fails("ValidationException", message, 400):
        kms.create_key(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1"},
        {"Origin": "EXTERNAL_KEY_STORE", "XksKeyId": "x"},
        {"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"},
        {"KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE"},
    ],
)
def test_what_there_is_not_is_refused_by_name(kms, asked):
    with pytest.raises(ClientError, match="Groundcloud does not implement KMS keys") as caught:
        kms.create_key(**asked)
    assert caught.value.response["Error"]["Code"] == "NotImplementedException"
    with pytest.raises(ClientError, match="kms:CreateCustomKeyStore"):
        kms.create_custom_key_store(CustomKeyStoreName="x")


def test_keys_are_listed_by_page(kms, key):
    made = sorted(key() for _ in range(5))
    first = kms.list_keys(Limit=3)
    assert first["Truncated"] is True
    second = kms.list_keys(Limit=3, Marker=first["NextMarker"])
    assert [each["KeyArn"] for each in first["Keys"] + second["Keys"]] == made
    assert second["Truncated"] is False and "NextMarker" not in second
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    assert [each["KeyId"] for page in pages for each in page["Keys"]] == [arn.rpartition("/")[2] for arn in made]


def test_a_wrong_marker(kms, fails):
    with fails("InvalidMarkerException", "Invalid marker", 400):
        kms.list_keys(Marker="%%%")


def test_a_disabled_key_does_nothing_until_it_is_enabled(kms, key, fails):
    arn = key()
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=arn)
    described = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (described["KeyState"], described["Enabled"]) == ("Disabled", False)
    for attempt in (
        lambda: kms.encrypt(KeyId=arn, Plaintext=b"x"),
        lambda: kms.decrypt(CiphertextBlob=blob),
        lambda: kms.generate_data_key(KeyId=arn, KeySpec="AES_256"),
        lambda: kms.enable_key_rotation(KeyId=arn),
        lambda: kms.rotate_key_on_demand(KeyId=arn),
    ):
        with fails("DisabledException", f"{arn} is disabled.", 400):
            attempt()
    kms.enable_key(KeyId=arn)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_a_deletion_can_be_called_off_and_leaves_the_key_disabled(kms, key, clock, fails):
    arn = key()
    planned = kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert (planned["KeyId"], planned["KeyState"], planned["PendingWindowInDays"]) == (arn, "PendingDeletion", 7)
    assert abs(planned["DeletionDate"].timestamp() - clock.now_s() - 7 * 86_400) < 60
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["DeletionDate"] == planned["DeletionDate"]
    for attempt in (
        lambda: kms.encrypt(KeyId=arn, Plaintext=b"x"),
        lambda: kms.enable_key(KeyId=arn),
        lambda: kms.disable_key(KeyId=arn),
        lambda: kms.schedule_key_deletion(KeyId=arn),
        lambda: kms.create_alias(AliasName="alias/x", TargetKeyId=arn),
        lambda: kms.tag_resource(KeyId=arn, Tags=[{"TagKey": "a", "TagValue": "1"}]),
        lambda: kms.update_key_description(KeyId=arn, Description="x"),
        lambda: kms.create_grant(KeyId=arn, GranteePrincipal=arn_of_root(arn), Operations=["Encrypt"]),
    ):
        with fails("KMSInvalidStateException", f"{arn} is pending deletion.", 400):
            attempt()
    clock.advance("6d")
    assert kms.cancel_key_deletion(KeyId=arn)["KeyId"] == arn
    clock.advance("2d")
    described = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert described["KeyState"] == "Disabled" and "DeletionDate" not in described
    with fails("KMSInvalidStateException", f"{arn} is not pending deletion.", 400):
        kms.cancel_key_deletion(KeyId=arn)


def arn_of_root(key_arn):
    return f"arn:aws:iam::{key_arn.split(':')[4]}:root"


def test_a_deleted_key_is_gone_with_its_aliases_and_grants(kms, key, clock, fails):
    arn = key()
    kms.create_alias(AliasName="alias/gone", TargetKeyId=arn)
    kms.create_grant(KeyId=arn, GranteePrincipal=arn_of_root(arn), RetiringPrincipal=arn_of_root(arn), Operations=["Encrypt"])
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=arn)
    clock.advance("30d")
    with fails("NotFoundException", f"Key '{arn}' does not exist", 400):
        kms.describe_key(KeyId=arn)
    with fails("AccessDeniedException") as caught:
        kms.decrypt(CiphertextBlob=blob)
    assert "on the resource associated with this ciphertext because the resource does not exist" in str(caught.value)
    with fails("NotFoundException"):
        kms.decrypt(CiphertextBlob=blob, KeyId=arn)
    assert kms.list_aliases()["Aliases"] == [] and kms.list_keys()["Keys"] == []
    assert kms.list_retirable_grants(RetiringPrincipal=arn_of_root(arn))["Grants"] == []
    kms.create_alias(AliasName="alias/gone", TargetKeyId=key())


@pytest.mark.parametrize(("days", "rule"), [(6, "greater than or equal to 7"), (31, "less than or equal to 30")])
def test_the_waiting_period_has_limits(kms, key, fails, days, rule):
    message = (
        f"1 validation error detected: Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value {rule}"
    )
    with fails("ValidationException", message, 400):
        kms.schedule_key_deletion(KeyId=key(), PendingWindowInDays=days)


def test_tags_are_kept_and_listed_by_page(kms, key, fails):
    arn = key(Tags=[{"TagKey": "team", "TagValue": "red"}])
    kms.tag_resource(KeyId=arn, Tags=[{"TagKey": "team", "TagValue": "blue"}, {"TagKey": "cost", "TagValue": ""}])
    first = kms.list_resource_tags(KeyId=arn, Limit=1)
    assert first["Tags"] == [{"TagKey": "cost", "TagValue": ""}] and first["Truncated"]
    rest = kms.list_resource_tags(KeyId=arn, Marker=first["NextMarker"])
    assert rest["Tags"] == [{"TagKey": "team", "TagValue": "blue"}] and not rest["Truncated"]
    kms.untag_resource(KeyId=arn, TagKeys=["team", "nothing"])
    assert kms.list_resource_tags(KeyId=arn)["Tags"] == [{"TagKey": "cost", "TagValue": ""}]
    with fails("TagException"):
        kms.tag_resource(KeyId=arn, Tags=[{"TagKey": "aws:x", "TagValue": "1"}])
    with fails("TagException", "Duplicate tag keys"):
        kms.create_key(Tags=[{"TagKey": "a", "TagValue": "1"}, {"TagKey": "a", "TagValue": "2"}])
    with fails("LimitExceededException"):
        kms.tag_resource(KeyId=arn, Tags=[{"TagKey": f"t{number}", "TagValue": ""} for number in range(50)])


def test_a_description_changes(kms, key):
    arn = key(Description="old")
    kms.update_key_description(KeyId=arn, Description="new")
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["Description"] == "new"


def test_administration_takes_no_alias(kms, key, fails):
    kms.create_alias(AliasName="alias/x", TargetKeyId=key())
    with fails("NotFoundException", "Invalid keyId 'alias/x'", 400):
        kms.disable_key(KeyId="alias/x")


def test_the_last_use_is_told(kms, key, clock):
    arn = key()
    unused = kms.get_key_last_usage(KeyId=arn)
    assert unused["KeyLastUsage"] == {} and unused["KeyCreationDate"] == unused["TrackingStartDate"]
    kms.encrypt(KeyId=arn, Plaintext=b"x")
    clock.advance("10s")
    kms.generate_data_key(KeyId=arn, KeySpec="AES_256")
    used = kms.get_key_last_usage(KeyId=arn)["KeyLastUsage"]
    assert used["Operation"] == "GenerateDataKey" and abs(used["Timestamp"].timestamp() - clock.now_s()) < 5


def test_an_aws_managed_key_is_there_when_it_is_named(kms, account, fails):
    first = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert first["KeyManager"] == "AWS" and first["KeyState"] == "Enabled"
    assert kms.describe_key(KeyId=f"arn:aws:kms:us-east-1:{account}:alias/aws/s3")["KeyMetadata"] == first
    assert [(each["AliasName"], each["TargetKeyId"]) for each in kms.list_aliases()["Aliases"]] == [("alias/aws/s3", first["KeyId"])]
    assert kms.get_key_rotation_status(KeyId=first["KeyId"])["KeyRotationEnabled"] is True
    for attempt in (
        lambda: kms.encrypt(KeyId="alias/aws/s3", Plaintext=b"x"),
        lambda: kms.schedule_key_deletion(KeyId=first["KeyId"]),
        lambda: kms.put_key_policy(KeyId=first["KeyId"], Policy="{}"),
        lambda: kms.disable_key(KeyId=first["KeyId"]),
    ):
        with fails("AccessDeniedException"):
            attempt()
    with fails("NotFoundException", f"Alias arn:aws:kms:us-east-1:{account}:alias/aws/nothing is not found."):
        kms.describe_key(KeyId="alias/aws/nothing")
