"""Aliases: made, pointed elsewhere, listed, removed."""

import pytest


def test_an_alias_points_where_it_is_told(kms, key):
    first, second = key(), key()
    kms.create_alias(AliasName="alias/app", TargetKeyId=first)
    assert kms.describe_key(KeyId="alias/app")["KeyMetadata"]["Arn"] == first
    kms.update_alias(AliasName="alias/app", TargetKeyId=second.rpartition("/")[2])
    assert kms.describe_key(KeyId="alias/app")["KeyMetadata"]["Arn"] == second
    assert kms.list_aliases(KeyId=first)["Aliases"] == []
    kms.delete_alias(AliasName="alias/app")
    assert kms.list_aliases()["Aliases"] == []


def test_aliases_are_listed_by_page(kms, key, account):
    arn = key()
    for name in ("b", "a", "c"):
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=arn)
    kms.create_alias(AliasName="alias/z", TargetKeyId=key())
    first = kms.list_aliases(KeyId=arn, Limit=2)
    second = kms.list_aliases(KeyId=arn, Limit=2, Marker=first["NextMarker"])
    listed = first["Aliases"] + second["Aliases"]
    assert [each["AliasName"] for each in listed] == ["alias/a", "alias/b", "alias/c"]
    assert listed[0]["AliasArn"] == f"arn:aws:kms:us-east-1:{account}:alias/a"
    assert listed[0]["TargetKeyId"] == arn.rpartition("/")[2] and listed[0]["CreationDate"] == listed[0]["LastUpdatedDate"]
    assert len(kms.list_aliases()["Aliases"]) == 4


def test_an_alias_is_there_once(kms, key, account, fails):
    kms.create_alias(AliasName="alias/app", TargetKeyId=key())
    with fails("AlreadyExistsException", f"An alias with the name arn:aws:kms:us-east-1:{account}:alias/app already exists", 400):
        kms.create_alias(AliasName="alias/app", TargetKeyId=key())


@pytest.mark.parametrize("operation", ["update_alias", "delete_alias"])
def test_an_alias_that_is_not_there(kms, key, account, fails, operation):
    target = {"TargetKeyId": key()} if operation == "update_alias" else {}
    with fails("NotFoundException", f"Alias arn:aws:kms:us-east-1:{account}:alias/none is not found.", 400):
        getattr(kms, operation)(AliasName="alias/none", **target)


@pytest.mark.parametrize(
    ("name", "code"),
    [("app", "ValidationException"), ("alias/aws/app", "NotAuthorizedException"), ("alias/a:b", "InvalidAliasNameException")],
)
def test_a_name_that_is_none(kms, key, fails, name, code):
    with fails(code, None, 400):
        kms.create_alias(AliasName=name, TargetKeyId=key())


def test_an_alias_names_no_alias(kms, key, fails):
    kms.create_alias(AliasName="alias/one", TargetKeyId=key())
    with fails("ValidationException", "Aliases must refer to keys. Not aliases", 400):
        kms.create_alias(AliasName="alias/two", TargetKeyId="alias/one")


def test_an_alias_stays_with_keys_of_its_kind(kms, key, fails):
    kms.create_alias(AliasName="alias/app", TargetKeyId=key())
    with fails("ValidationException"):
        kms.update_alias(AliasName="alias/app", TargetKeyId=key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"))


def test_a_key_has_fifty_aliases_at_most(kms, key, fails):
    arn = key()
    for number in range(50):
        kms.create_alias(AliasName=f"alias/n{number}", TargetKeyId=arn)
    with fails("LimitExceededException"):
        kms.create_alias(AliasName="alias/one-more", TargetKeyId=arn)
