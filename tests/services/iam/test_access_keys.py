from __future__ import annotations


def test_a_key_s_secret_is_shown_once_and_works(iam, client, account):
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    assert key["AccessKeyId"].startswith("AKIA") and len(key["AccessKeyId"]) == 20
    assert len(key["SecretAccessKey"]) == 40
    assert key["Status"] == "Active"
    own = client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    assert own.get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:user/alice"
    listed = iam.list_access_keys(UserName="alice")["AccessKeyMetadata"]
    assert [(each["AccessKeyId"], "SecretAccessKey" in each) for each in listed] == [(key["AccessKeyId"], False)]


def test_a_secret_rests_sealed(iam, ground):
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    from groundcloud.services.iam.state import ACCESS_KEYS

    kept = ACCESS_KEYS.get(ground.ground.store.transaction(), key["AccessKeyId"])
    assert key["SecretAccessKey"].encode() not in kept.sealed_secret


def test_a_user_has_two_keys_at_most(iam, fails):
    iam.create_user(UserName="alice")
    iam.create_access_key(UserName="alice")
    iam.create_access_key(UserName="alice")
    with fails("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", 409):
        iam.create_access_key(UserName="alice")


def test_an_inactive_key_and_a_deleted_one_are_refused_at_once(iam, client, fails):
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    own = client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    own.get_caller_identity()
    iam.update_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with fails("InvalidClientTokenId", "The security token included in the request is invalid.", 403):
        own.get_caller_identity()
    iam.update_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"], Status="Active")
    own.get_caller_identity()
    iam.delete_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"])
    with fails("InvalidClientTokenId", "The security token included in the request is invalid.", 403):
        own.get_caller_identity()


def test_a_wrong_secret_is_refused(iam, client, fails):
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    own = client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key="wrong")
    with fails("SignatureDoesNotMatch"):
        own.get_caller_identity()


def test_another_s_key_is_not_found(iam, fails):
    iam.create_user(UserName="alice")
    iam.create_user(UserName="bob")
    key_id = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    with fails("NoSuchEntity", f"The Access Key with id {key_id} cannot be found.", 404):
        iam.delete_access_key(UserName="bob", AccessKeyId=key_id)


def test_a_user_rotates_its_own_keys_without_naming_itself(iam, user, policy, fails):
    own = user("alice")("iam")
    iam.put_user_policy(UserName="alice", PolicyName="keys", PolicyDocument=policy("iam:*AccessKey*", resource="arn:aws:iam::*:user/alice"))
    second = own.create_access_key()["AccessKey"]
    assert second["UserName"] == "alice"
    assert len(own.list_access_keys()["AccessKeyMetadata"]) == 2
    own.update_access_key(AccessKeyId=second["AccessKeyId"], Status="Inactive")
    own.delete_access_key(AccessKeyId=second["AccessKeyId"])
    iam.create_user(UserName="bob")
    with fails("AccessDenied"):
        own.create_access_key(UserName="bob")


def test_the_root_has_keys_too(iam, client, account):
    key = iam.create_access_key()["AccessKey"]
    own = client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    assert own.get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:root"
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1


def test_whose_a_key_is(iam, client, fails):
    iam.create_user(UserName="alice")
    key_id = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    found = iam.get_access_key_last_used(AccessKeyId=key_id)
    assert found["UserName"] == "alice"
    assert found["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    with fails("AccessDenied", status=403):
        client("iam", account="999999999998").get_access_key_last_used(AccessKeyId=key_id)
