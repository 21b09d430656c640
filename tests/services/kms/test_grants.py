"""Grants: what they allow, to whom, under which constraints; how they end."""

import pytest


@pytest.fixture
def alice(user):
    """A user without any policy: what she may, a grant says."""
    return user("alice")("kms")


@pytest.fixture
def alice_arn(account, alice):
    return f"arn:aws:iam::{account}:user/alice"


def test_a_grant_allows_what_it_names_and_no_more(kms, key, alice, alice_arn, fails):
    arn = key()
    with fails("AccessDeniedException"):
        alice.encrypt(KeyId=arn, Plaintext=b"x")
    made = kms.create_grant(KeyId=arn, GranteePrincipal=alice_arn, Operations=["Encrypt", "DescribeKey"])
    blob = alice.encrypt(KeyId=arn, Plaintext=b"x", GrantTokens=[made["GrantToken"]])["CiphertextBlob"]
    assert alice.describe_key(KeyId=arn)["KeyMetadata"]["Arn"] == arn
    with fails("AccessDeniedException"):
        alice.decrypt(CiphertextBlob=blob)
    kms.revoke_grant(KeyId=arn, GrantId=made["GrantId"])
    with fails("AccessDeniedException"):
        alice.encrypt(KeyId=arn, Plaintext=b"x")


@pytest.mark.parametrize(
    ("constraint", "context", "allowed"),
    [
        ({"EncryptionContextEquals": {"a": "1"}}, {"a": "1"}, True),
        ({"EncryptionContextEquals": {"a": "1"}}, {"a": "1", "b": "2"}, False),
        ({"EncryptionContextSubset": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"EncryptionContextSubset": {"a": "1"}}, {"b": "2"}, False),
        ({"EncryptionContextSubset": {"a": "1"}}, None, False),
    ],
)
def test_a_grant_holds_under_its_constraint(kms, key, alice, alice_arn, fails, constraint, context, allowed):
    arn = key()
    kms.create_grant(KeyId=arn, GranteePrincipal=alice_arn, Operations=["GenerateDataKey", "Decrypt"], Constraints=constraint)
    asked = {"KeyId": arn, "KeySpec": "AES_256", **({"EncryptionContext": context} if context is not None else {})}
    if allowed:
        blob = alice.generate_data_key(**asked)["CiphertextBlob"]
        assert alice.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"]
    else:
        with fails("AccessDeniedException"):
            alice.generate_data_key(**asked)


def test_a_denial_is_stronger_than_a_grant(kms, iam, key, alice, alice_arn, policy, fails):
    arn = key()
    kms.create_grant(KeyId=arn, GranteePrincipal=alice_arn, Operations=["Encrypt"])
    iam.put_user_policy(UserName="alice", PolicyName="no", PolicyDocument=policy("kms:Encrypt", effect="Deny"))
    with fails("AccessDeniedException"):
        alice.encrypt(KeyId=arn, Plaintext=b"x")


def test_a_grant_reaches_another_account(kms, key, client, fails):
    arn = key()
    other = client("kms", account="999999999999")
    with fails("AccessDeniedException"):
        other.encrypt(KeyId=arn, Plaintext=b"x")
    kms.create_grant(KeyId=arn, GranteePrincipal="arn:aws:iam::999999999999:root", Operations=["Encrypt", "Decrypt"])
    blob = other.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert other.decrypt(CiphertextBlob=blob)["KeyId"] == arn


def test_a_grant_to_an_account_lets_its_policies_decide(kms, key, client, fails, policy):
    arn, other = key(), "888888888888"
    kms.create_grant(KeyId=arn, GranteePrincipal=f"arn:aws:iam::{other}:root", Operations=["Encrypt"])
    iam = client("iam", account=other)
    iam.create_user(UserName="carol")
    pair = iam.create_access_key(UserName="carol")["AccessKey"]
    carol = client("kms", aws_access_key_id=pair["AccessKeyId"], aws_secret_access_key=pair["SecretAccessKey"])
    with fails("AccessDeniedException"):
        carol.encrypt(KeyId=arn, Plaintext=b"x")
    iam.put_user_policy(UserName="carol", PolicyName="yes", PolicyDocument=policy("kms:Encrypt"))
    carol.encrypt(KeyId=arn, Plaintext=b"x")


def test_a_grant_to_a_role_is_limited_by_its_session(kms, iam, key, account, client, trust, policy, fails):
    arn = key()
    role_arn = iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"AWS": account}))["Role"]["Arn"]
    kms.create_grant(KeyId=arn, GranteePrincipal=role_arn, Operations=["Encrypt"])

    def session(**options):
        made = client("sts").assume_role(RoleArn=role_arn, RoleSessionName="one", **options)["Credentials"]
        return client(
            "kms",
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=made["SessionToken"],
        )

    session().encrypt(KeyId=arn, Plaintext=b"x")
    session(Policy=policy("kms:*")).encrypt(KeyId=arn, Plaintext=b"x")
    with fails("AccessDeniedException"):
        session(Policy=policy("s3:*")).encrypt(KeyId=arn, Plaintext=b"x")


def test_a_service_holds_a_grant_for_one_resource(ground, kms, key, account, fails):
    from tests.services.kms.test_permissions import _Service

    arn, topic_arn = key(), f"arn:aws:sns:us-east-1:{account}:topic"
    kms.create_grant(
        KeyId=arn,
        GranteeServicePrincipal="sns.amazonaws.com",
        RetiringPrincipal=f"arn:aws:iam::{account}:root",
        Operations=["GenerateDataKey"],
        Constraints={"SourceArn": topic_arn},
    )
    sns = _Service(ground, account, "sns")
    asked = {"as_": "sns.amazonaws.com", "KeyId": arn, "KeySpec": "AES_256"}
    assert sns.request("GenerateDataKey", source_arn=topic_arn, **asked)["KeyId"] == arn
    with pytest.raises(Exception, match="AccessDeniedException"):
        sns.request("GenerateDataKey", source_arn=topic_arn + "-2", **asked)


def test_a_retry_by_name_makes_no_second_grant(kms, key, alice_arn):
    arn = key()
    asked = {"KeyId": arn, "GranteePrincipal": alice_arn, "Operations": ["Encrypt"], "Name": "one"}
    first, second = kms.create_grant(**asked), kms.create_grant(**asked)
    assert first["GrantId"] == second["GrantId"] and first["GrantToken"] != second["GrantToken"]
    assert kms.create_grant(**{**asked, "Operations": ["Decrypt"]})["GrantId"] != first["GrantId"]
    del asked["Name"]
    assert kms.create_grant(**asked)["GrantId"] != kms.create_grant(**asked)["GrantId"]


def test_grants_are_listed_by_page_and_principal(kms, key, alice_arn, account):
    arn = key()
    root = f"arn:aws:iam::{account}:root"
    made = {
        kms.create_grant(KeyId=arn, GranteePrincipal=alice_arn, Operations=["Encrypt"], RetiringPrincipal=root)["GrantId"] for _ in range(3)
    }
    other = kms.create_grant(
        KeyId=arn,
        GranteePrincipal=root,
        Operations=["Decrypt", "Encrypt"],
        Name="other",
        Constraints={"EncryptionContextSubset": {"a": "1"}},
    )["GrantId"]
    first = kms.list_grants(KeyId=arn, Limit=3)
    second = kms.list_grants(KeyId=arn, Limit=3, Marker=first["NextMarker"])
    assert {each["GrantId"] for each in first["Grants"] + second["Grants"]} == made | {other} and not second["Truncated"]
    assert {each["GrantId"] for each in kms.list_grants(KeyId=arn, GranteePrincipal=alice_arn)["Grants"]} == made
    [shown] = kms.list_grants(KeyId=arn, GrantId=other)["Grants"]
    assert shown.pop("CreationDate")
    assert shown == {
        "KeyId": arn,
        "GrantId": other,
        "Name": "other",
        "GranteePrincipal": root,
        "IssuingAccount": root,
        "Operations": ["Decrypt", "Encrypt"],
        "Constraints": {"EncryptionContextSubset": {"a": "1"}},
    }
    first = kms.list_retirable_grants(RetiringPrincipal=root, Limit=2)
    second = kms.list_retirable_grants(RetiringPrincipal=root, Limit=2, Marker=first["NextMarker"])
    assert {each["GrantId"] for each in first["Grants"] + second["Grants"]} == made


def test_the_retiring_principal_retires(kms, key, alice, alice_arn, account, fails):
    arn = key()
    root = f"arn:aws:iam::{account}:root"
    asked = {"KeyId": arn, "GranteePrincipal": root, "Operations": ["Encrypt"]}
    foreign, own = kms.create_grant(**asked), kms.create_grant(**asked, RetiringPrincipal=alice_arn)
    with fails("AccessDeniedException"):
        alice.retire_grant(KeyId=arn, GrantId=foreign["GrantId"])
    with fails("DryRunOperationException"):
        alice.retire_grant(GrantToken=own["GrantToken"], DryRun=True)
    alice.retire_grant(GrantToken=own["GrantToken"])
    assert [each["GrantId"] for each in kms.list_grants(KeyId=arn)["Grants"]] == [foreign["GrantId"]]
    with fails("NotFoundException", f"Grant ID {own['GrantId']} not found for key {arn}"):
        kms.retire_grant(KeyId=arn, GrantId=own["GrantId"])


def test_the_grantee_retires_if_the_grant_says_so(kms, key, alice, alice_arn):
    arn = key()
    made = kms.create_grant(KeyId=arn, GranteePrincipal=alice_arn, Operations=["Encrypt", "RetireGrant"])
    alice.retire_grant(KeyId=arn, GrantId=made["GrantId"])
    assert kms.list_grants(KeyId=arn)["Grants"] == []


def test_a_grantee_passes_on_no_more_than_she_has(kms, key, alice, alice_arn, account, fails):
    arn = key()
    kms.create_grant(
        KeyId=arn,
        GranteePrincipal=alice_arn,
        Operations=["Encrypt", "CreateGrant"],
        Constraints={"EncryptionContextSubset": {"a": "1"}},
    )
    asked = {"KeyId": arn, "GranteePrincipal": f"arn:aws:iam::{account}:user/bob"}
    alice.create_grant(**asked, Operations=["Encrypt"], Constraints={"EncryptionContextSubset": {"a": "1", "b": "2"}})
    alice.create_grant(**asked, Operations=["Encrypt"], Constraints={"EncryptionContextEquals": {"a": "1"}})
    for operations, constraints in (
        (["Encrypt"], {}),
        (["Encrypt"], {"EncryptionContextSubset": {"b": "2"}}),
        (["Encrypt", "Decrypt"], {"EncryptionContextSubset": {"a": "1"}}),
    ):
        with fails("AccessDeniedException"):
            alice.create_grant(**asked, Operations=operations, Constraints=constraints)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"GranteePrincipal": "arn:aws:s3:::bucket"}, "InvalidArnException"),
        ({"GranteePrincipal": None}, "ValidationException"),
        ({"Operations": ["Sign"]}, "ValidationException"),
        ({"Operations": []}, "ValidationException"),
        ({"GranteePrincipal": None, "GranteeServicePrincipal": "sns.amazonaws.com"}, "ValidationException"),
    ],
)
def test_a_grant_that_cannot_be(kms, key, account, fails, changed, code):
    asked = {"KeyId": key(), "GranteePrincipal": f"arn:aws:iam::{account}:root", "Operations": ["Encrypt"], **changed}
    with fails(code, None, 400):
        kms.create_grant(**{name: value for name, value in asked.items() if value is not None})


def test_a_grant_names_roles_that_are_there(kms, key, account, fails):
    role_arn = f"arn:aws:iam::{account}:role/nobody"
    with fails("InvalidArnException", f"ARN does not refer to a valid principal: {role_arn}"):
        kms.create_grant(KeyId=key(), GranteePrincipal=role_arn, Operations=["Encrypt"])


def test_tokens_and_ids_that_are_none(kms, key, fails):
    arn = key()
    with fails("InvalidGrantTokenException"):
        kms.retire_grant(GrantToken="bm9uc2Vuc2U=")
    with fails("InvalidGrantTokenException"):
        kms.encrypt(KeyId=arn, Plaintext=b"x", GrantTokens=["nonsense"])
    with fails("InvalidGrantIdException"):
        kms.revoke_grant(KeyId=arn, GrantId="nonsense")
    with fails("NotFoundException"):
        kms.revoke_grant(KeyId=arn, GrantId="0" * 64)
    with fails("ValidationException"):
        kms.retire_grant(KeyId=arn)
