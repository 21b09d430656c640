from __future__ import annotations


def test_a_session_token_is_its_user_s(iam, user, account, session, policy, clock, fails):
    own = user("alice")
    answer = own("sts").get_session_token(DurationSeconds=900)
    temporary = session(answer["Credentials"])
    assert temporary("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:user/alice"
    with fails("AccessDenied"):
        temporary("iam").list_users()
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("iam:ListUsers"))
    temporary("iam").list_users()
    with fails("AccessDenied", "Cannot call GetSessionToken with session credentials", 403):
        temporary("sts").get_session_token()
    clock.advance("16m")
    with fails("ExpiredToken"):
        temporary("iam").list_users()


def test_a_root_s_session_token_lasts_an_hour(client, clock, account, session):
    answer = client("sts").get_session_token(DurationSeconds=7200)
    assert answer["Credentials"]["Expiration"].timestamp() - clock.now_s() <= 3600
    assert session(answer["Credentials"])("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:root"


def test_a_federated_user_may_do_what_the_user_and_the_session_policy_both_allow(iam, user, account, session, policy, fails):
    own = user("alice")("sts")
    with fails("AccessDenied"):
        own.get_federation_token(Name="bob")
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("sts:GetFederationToken", "iam:ListUsers", "iam:ListRoles"))
    answer = own.get_federation_token(Name="bob", Policy=policy("iam:ListUsers", "iam:ListGroups"))
    assert answer["FederatedUser"] == {
        "FederatedUserId": f"{account}:bob",
        "Arn": f"arn:aws:sts::{account}:federated-user/bob",
    }
    bob = session(answer["Credentials"])
    assert bob("sts").get_caller_identity()["Arn"] == answer["FederatedUser"]["Arn"]
    bob("iam").list_users()
    for refused in (bob("iam").list_roles, bob("iam").list_groups):
        with fails("AccessDenied"):
            refused()


def test_a_federated_user_without_a_session_policy_may_do_nothing(iam, client, session, fails):
    bob = session(client("sts").get_federation_token(Name="bob")["Credentials"])
    with fails("AccessDenied"):
        bob("iam").list_users()


def test_the_root_s_federated_user_has_what_the_session_policy_gives(client, session, policy, fails):
    bob = session(client("sts").get_federation_token(Name="bob", Policy=policy("iam:ListUsers"))["Credentials"])
    bob("iam").list_users()
    with fails("AccessDenied"):
        bob("iam").list_roles()


def test_caller_identity_of_the_root(client, account):
    answer = client("sts").get_caller_identity()
    assert (answer["UserId"], answer["Account"], answer["Arn"]) == (account, account, f"arn:aws:iam::{account}:root")


def test_caller_identity_cannot_be_denied(iam, user, policy, account):
    own = user("alice")("sts")
    iam.put_user_policy(UserName="alice", PolicyName="d", PolicyDocument=policy("*", effect="Deny"))
    assert own.get_caller_identity()["Account"] == account


def test_whose_account_a_key_is(iam, client, account, session, fails):
    sts = client("sts")
    iam.create_user(UserName="alice")
    key_id = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    assert sts.get_access_key_info(AccessKeyId=key_id)["Account"] == account
    credentials = sts.get_session_token()["Credentials"]
    assert session(credentials)("sts").get_access_key_info(AccessKeyId=credentials["AccessKeyId"])["Account"] == account
    with fails("NotImplementedException", status=501):
        sts.get_access_key_info(AccessKeyId=credentials["AccessKeyId"])
    with fails("ValidationError", "Access key AKIAAAAAAAAAAAAAAAAA is not valid.", 400):
        sts.get_access_key_info(AccessKeyId="AKIAAAAAAAAAAAAAAAAA")


def test_a_call_without_a_signature_is_refused(ground):
    import urllib.error
    import urllib.request

    import pytest

    for action in ("GetCallerIdentity", "AssumeRole&RoleArn=arn:aws:iam::000000000000:role/x&RoleSessionName=me", "GetSessionToken"):
        request = urllib.request.Request(
            ground.endpoint, data=f"Action={action}&Version=2011-06-15".encode(), headers={"Host": "sts.localhost"}
        )
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request)
        assert error.value.code == 403
        assert b"<Code>MissingAuthenticationToken</Code>" in error.value.read()
