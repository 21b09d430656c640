from __future__ import annotations


def test_an_account_has_one_alias(iam, client, fails):
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias="our-shop")
    iam.create_account_alias(AccountAlias="our-store")
    assert iam.list_account_aliases()["AccountAliases"] == ["our-store"]
    other = client("iam", account="999999999997")
    with fails("EntityAlreadyExists", "The account alias our-store already exists.", 409):
        other.create_account_alias(AccountAlias="our-store")
    with fails("NoSuchEntity", "The account alias our-shop cannot be found.", 404):
        iam.delete_account_alias(AccountAlias="our-shop")
    iam.delete_account_alias(AccountAlias="our-store")
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_the_password_policy(iam, account, fails):
    with fails("NoSuchEntity", f"The Password Policy with domain name {account} cannot be found.", 404):
        iam.get_account_password_policy()
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireSymbols=True, MaxPasswordAge=90)
    found = iam.get_account_password_policy()["PasswordPolicy"]
    assert (found["MinimumPasswordLength"], found["RequireSymbols"], found["RequireNumbers"], found["ExpirePasswords"]) == (
        12,
        True,
        False,
        True,
    )
    iam.create_user(UserName="alice")
    with fails("PasswordPolicyViolation", "Password should have a minimum length of 12", 400):
        iam.create_login_profile(UserName="alice", Password="Short1!")
    with fails("PasswordPolicyViolation", "Password should have at least one symbol"):
        iam.create_login_profile(UserName="alice", Password="LongEnough123")
    iam.delete_account_password_policy()
    with fails("NoSuchEntity"):
        iam.delete_account_password_policy()


def test_login_profiles_and_passwords(iam, user, policy, fails, ground):
    own = user("alice")("iam")
    sentence = "Login Profile for User alice cannot be found."
    with fails("NoSuchEntity", sentence, 404):
        iam.get_login_profile(UserName="alice")
    iam.create_login_profile(UserName="alice", Password="Sesame-open1", PasswordResetRequired=True)
    with fails("EntityAlreadyExists", "Login Profile for user alice already exists.", 409):
        iam.create_login_profile(UserName="alice", Password="Sesame-open1")
    assert iam.get_login_profile(UserName="alice")["LoginProfile"]["PasswordResetRequired"] is True
    iam.update_login_profile(UserName="alice", Password="Sesame-open2")
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("iam:ChangePassword"))
    with fails("AccessDenied", "The old password was incorrect."):
        own.change_password(OldPassword="Sesame-open1", NewPassword="Sesame-open3")
    own.change_password(OldPassword="Sesame-open2", NewPassword="Sesame-open3")
    assert iam.get_login_profile(UserName="alice")["LoginProfile"]["PasswordResetRequired"] is False
    iam.delete_login_profile(UserName="alice")
    with fails("NoSuchEntity", sentence):
        iam.delete_login_profile(UserName="alice")
    with fails("InvalidUserType"):
        iam.change_password(OldPassword="a", NewPassword="b")


def test_the_summary_counts(iam, policy, trust):
    iam.create_user(UserName="alice")
    iam.create_group(GroupName="staff")
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    arn = iam.create_policy(PolicyName="P", PolicyDocument=policy("s3:*"))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("s3:*"))
    summary = iam.get_account_summary()["SummaryMap"]
    names = ("Users", "Groups", "Roles", "Policies", "PolicyVersionsInUse", "UsersQuota")
    assert [summary[name] for name in names] == [1, 1, 1, 1, 2, 5000]


def test_authorization_details_hold_everything(iam, policy, trust):
    iam.create_user(UserName="alice", Tags=[{"Key": "a", "Value": "b"}])
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="alice")
    iam.put_group_policy(GroupName="staff", PolicyName="g", PolicyDocument=policy("s3:*"))
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    iam.create_instance_profile(InstanceProfileName="P")
    iam.add_role_to_instance_profile(InstanceProfileName="P", RoleName="App")
    arn = iam.create_policy(PolicyName="P", PolicyDocument=policy("sqs:*"))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="App", PolicyArn=arn)
    iam.attach_role_policy(RoleName="App", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    details = iam.get_account_authorization_details()
    assert details["IsTruncated"] is False
    [alice] = details["UserDetailList"]
    assert (alice["GroupList"], alice["Tags"]) == (["staff"], [{"Key": "a", "Value": "b"}])
    [staff] = details["GroupDetailList"]
    assert staff["GroupPolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == ["s3:*"]
    [app] = details["RoleDetailList"]
    assert app["InstanceProfileList"][0]["InstanceProfileName"] == "P"
    assert {each["PolicyName"] for each in app["AttachedManagedPolicies"]} == {"P", "AmazonSQSFullAccess"}
    assert [each["PolicyName"] for each in details["Policies"]] == ["P", "AmazonSQSFullAccess"]
    assert details["Policies"][0]["PolicyVersionList"][0]["IsDefaultVersion"] is True
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 1}))
    lists = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    assert [sum(len(page[name]) for page in pages) for name in lists] == [1, 1, 1, 2]
    only = iam.get_account_authorization_details(Filter=["Role"])
    assert [len(only[name]) for name in lists] == [0, 0, 1, 0]


def test_credentials_that_cannot_be_made_are_refused_by_name_and_listed_as_none(iam, fails):
    iam.create_user(UserName="alice")
    assert iam.list_mfa_devices(UserName="alice")["MFADevices"] == []
    assert iam.list_ssh_public_keys(UserName="alice")["SSHPublicKeys"] == []
    assert iam.list_signing_certificates(UserName="alice")["Certificates"] == []
    assert iam.list_service_specific_credentials(UserName="alice")["ServiceSpecificCredentials"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_server_certificates()["ServerCertificateMetadataList"] == []
    with fails("NotImplementedException", "Groundcloud does not implement iam:CreateVirtualMFADevice yet.", 501):
        iam.create_virtual_mfa_device(VirtualMFADeviceName="m")
