from __future__ import annotations

import json

import pytest


@pytest.mark.slow
def test_a_kill_loses_nothing(process, policy, trust):
    """Users, keys, sessions, policies, counts of attachments: as they were, and still decided by."""
    from botocore.exceptions import ClientError

    def as_session(credentials):
        return {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials.get("SessionToken"),
        }

    iam = process.client("iam")
    arn = iam.create_policy(PolicyName="P", PolicyDocument=policy("iam:ListUsers"))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("iam:ListRoles"), SetAsDefault=True)
    iam.create_user(UserName="alice", Tags=[{"Key": "a", "Value": "b"}])
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="alice")
    iam.attach_group_policy(GroupName="staff", PolicyArn=arn)
    iam.create_login_profile(UserName="alice", Password="Sesame-open1")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    role = iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"AWS": "000000000000"}))["Role"]["Arn"]
    iam.put_role_policy(RoleName="App", PolicyName="p", PolicyDocument=policy("iam:ListUsers"))
    session = process.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    before = iam.get_account_authorization_details()

    process.restart()

    iam = process.client("iam")
    after = iam.get_account_authorization_details()
    for answer in (before, after):
        del answer["ResponseMetadata"]
    assert json.dumps(after, default=str) == json.dumps(before, default=str)
    own = process.client("iam", **as_session(key))
    own.list_roles()
    with pytest.raises(ClientError, match="AccessDenied"):
        own.list_users()
    assuming = process.client("iam", **as_session(session))
    assuming.list_users()
    with pytest.raises(ClientError, match="AccessDenied"):
        assuming.list_roles()
    iam.delete_role_policy(RoleName="App", PolicyName="p")
    process.restart()
    with pytest.raises(ClientError, match="AccessDenied"):
        process.client("iam", **as_session(session)).list_users()
