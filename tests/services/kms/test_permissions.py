"""Who may: key policies, identity policies, conditions, other accounts, other services."""

import asyncio
import json

import pytest

from groundcloud.auth.principals import Principal
from groundcloud.kernel.call import Call


def key_policy(*statements, account):
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [root, *statements]})


def test_the_default_policy_lets_the_account_decide(kms, key, account, user, iam, policy, fails):
    arn = key()
    document = kms.get_key_policy(KeyId=arn)
    assert document["PolicyName"] == "default" and kms.list_key_policies(KeyId=arn)["PolicyNames"] == ["default"]
    [statement] = json.loads(document["Policy"])["Statement"]
    assert statement["Sid"] == "Enable IAM User Permissions" and statement["Principal"] == {"AWS": f"arn:aws:iam::{account}:root"}
    alice = user("alice")("kms")
    with fails("AccessDeniedException", None, 400) as caught:
        alice.encrypt(KeyId=arn, Plaintext=b"x")
    message = caught.value.response["Error"]["Message"]
    who = f"User: arn:aws:iam::{account}:user/alice is not authorized to perform: kms:Encrypt on resource: {arn}"
    assert message.startswith(f"{who} because no identity-based policy allows the kms:Encrypt action")
    iam.put_user_policy(UserName="alice", PolicyName="yes", PolicyDocument=policy("kms:Encrypt", resource=arn))
    alice.encrypt(KeyId=arn, Plaintext=b"x")
    with fails("AccessDeniedException"):
        alice.encrypt(KeyId=key(), Plaintext=b"x")


def test_without_the_account_in_the_key_policy_no_identity_policy_counts(kms, key, account, user, iam, policy, fails):
    arn = key()
    user_arn = f"arn:aws:iam::{account}:user/alice"
    alice, bob = user("alice")("kms"), user("bob")("kms")
    for name in ("alice", "bob"):
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy("kms:*"))
    only = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": user_arn}, "Action": "kms:*", "Resource": "*"}}
    alice.put_key_policy(KeyId=arn, Policy=json.dumps(only))
    alice.encrypt(KeyId=arn, Plaintext=b"x")
    for client in (bob, kms):
        with fails("AccessDeniedException"):
            client.encrypt(KeyId=arn, Plaintext=b"x")


def test_a_key_policy_that_locks_its_author_out_is_refused(kms, key, account, fails):
    arn = key()
    other = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:user/nobody"}, "Action": "kms:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [other]})
    message = "The new key policy will not allow you to update the key policy in the future."
    with fails("MalformedPolicyDocumentException", message, 400):
        kms.put_key_policy(KeyId=arn, Policy=document)
    with fails("MalformedPolicyDocumentException", message, 400):
        kms.create_key(Policy=document)
    kms.put_key_policy(KeyId=arn, Policy=document, BypassPolicyLockoutSafetyCheck=True)
    with fails("AccessDeniedException"):
        kms.get_key_policy(KeyId=arn)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"Effect": "Allow", "Principal": "*", "Action": "kms:*"}, "Policy contains a statement with no resource."),
        ({"Effect": "Allow", "Principal": {"AWS": "someone"}, "Action": "kms:*", "Resource": "*"}, None),
        ({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::ACCOUNT:role/nobody"}, "Action": "kms:*", "Resource": "*"}, None),
    ],
)
def test_a_malformed_policy(kms, key, account, fails, statement, message):
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).replace("ACCOUNT", account)
    with fails("MalformedPolicyDocumentException", message or "Policy contains a statement with one or more invalid principals.", 400):
        kms.put_key_policy(KeyId=key(), Policy=document)


def test_a_policy_of_another_name_and_one_too_long(kms, key, account, fails):
    arn = key()
    with fails("NotFoundException", "No such policy exists", 400):
        kms.get_key_policy(KeyId=arn, PolicyName="other")
    with fails("LimitExceededException", None, 400):
        kms.put_key_policy(KeyId=arn, Policy=key_policy(account=account) + " " * 32_768)


def test_another_account_needs_the_key_policy(kms, key, account, client, fails):
    arn = key()
    other = client("kms", account="999999999999")
    with fails("AccessDeniedException", None, 400) as caught:
        other.encrypt(KeyId=arn, Plaintext=b"x")
    assert "on this resource because the resource does not exist in this Region" in caught.value.response["Error"]["Message"]
    missing = f"arn:aws:kms:us-east-1:{account}:key/12345678-1234-1234-1234-123456789012"
    with fails("AccessDeniedException", None, 400):
        other.encrypt(KeyId=missing, Plaintext=b"x")
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    with fails("AccessDeniedException", None, 400) as caught:
        other.decrypt(CiphertextBlob=blob)
    assert "on the resource associated with this ciphertext because" in caught.value.response["Error"]["Message"]
    allowed = {"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": ["kms:Decrypt", "kms:DisableKey"], "Resource": "*"}
    kms.put_key_policy(KeyId=arn, Policy=key_policy(allowed, account=account))
    assert other.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    with fails("AccessDeniedException"):
        other.disable_key(KeyId=arn)


CONDITIONS = [
    ({"StringEquals": {"kms:EncryptionContext:tenant": "a"}}, {"EncryptionContext": {"tenant": "a"}}, True),
    ({"StringEquals": {"kms:EncryptionContext:tenant": "a"}}, {"EncryptionContext": {"tenant": "b"}}, False),
    ({"StringEquals": {"kms:EncryptionContext:tenant": "a"}}, {}, False),
    ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant"]}}, {"EncryptionContext": {"tenant": "a"}}, True),
    ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant"]}}, {"EncryptionContext": {"tenant": "a", "x": "y"}}, False),
    ({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT", "kms:KeyUsage": "ENCRYPT_DECRYPT", "kms:KeyOrigin": "AWS_KMS"}}, {}, True),
    ({"Bool": {"kms:MultiRegion": "true"}}, {}, False),
    ({"StringEquals": {"kms:RequestAlias": "alias/app"}}, {"KeyId": "alias/app"}, True),
    ({"StringEquals": {"kms:RequestAlias": "alias/app"}}, {}, False),
    ({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/app"}}, {}, True),
    ({"StringEquals": {"aws:ResourceTag/team": "red"}}, {}, True),
    ({"StringEquals": {"aws:ResourceTag/team": "blue"}}, {}, False),
    ({"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}, {"EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, True),
    ({"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}, {}, True),
    ({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}, {}, False),
    ({"StringEquals": {"kms:CallerAccount": "ACCOUNT"}}, {}, True),
]


@pytest.mark.parametrize(("condition", "asked", "allowed"), CONDITIONS)
def test_condition_keys(kms, key, user, iam, policy, account, fails, condition, asked, allowed):
    arn = key(Tags=[{"TagKey": "team", "TagValue": "red"}])
    kms.create_alias(AliasName="alias/app", TargetKeyId=arn)
    condition = json.loads(json.dumps(condition).replace("ACCOUNT", account))
    iam_client = user("alice")("kms")
    iam.put_user_policy(UserName="alice", PolicyName="some", PolicyDocument=policy("kms:Encrypt", condition=condition))
    if allowed:
        iam_client.encrypt(**{"KeyId": arn, "Plaintext": b"x", **asked})
    else:
        with fails("AccessDeniedException"):
            iam_client.encrypt(**{"KeyId": arn, "Plaintext": b"x", **asked})


@pytest.mark.parametrize(
    ("actions", "condition", "attempt", "allowed"),
    [
        (["kms:CreateKey"], {"StringEquals": {"kms:KeySpec": "HMAC_256"}}, "hmac", True),
        (["kms:CreateKey"], {"StringEquals": {"kms:KeySpec": "HMAC_256"}}, "symmetric", False),
        (["kms:CreateKey"], {}, "tagged", False),
        (["kms:CreateKey", "kms:TagResource"], {"StringEquals": {"aws:RequestTag/a": "1"}}, "tagged", True),
        (["kms:CreateKey", "kms:TagResource"], {"ForAllValues:StringEquals": {"aws:TagKeys": ["b"]}}, "tagged", False),
        (["kms:ScheduleKeyDeletion"], {"NumericGreaterThan": {"kms:ScheduleKeyDeletionPendingWindowInDays": "10"}}, "deletion", False),
        (["kms:ScheduleKeyDeletion"], {"NumericLessThan": {"kms:ScheduleKeyDeletionPendingWindowInDays": "10"}}, "deletion", True),
        (["kms:CreateGrant"], {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt"]}}, "grant", False),
        (["kms:CreateGrant"], {"Bool": {"kms:GrantIsForAWSResource": "true"}}, "grant", False),
        (["kms:CreateGrant"], {"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"}}, "grant", True),
    ],
)
def test_condition_keys_of_administration(kms, key, user, iam, policy, account, fails, actions, condition, attempt, allowed):
    arn = key()
    alice = user("alice")("kms")
    iam.put_user_policy(UserName="alice", PolicyName="some", PolicyDocument=policy(*actions, condition=condition or None))
    attempts = {
        "hmac": lambda: alice.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"),
        "symmetric": lambda: alice.create_key(),
        "tagged": lambda: alice.create_key(Tags=[{"TagKey": "a", "TagValue": "1"}]),
        "deletion": lambda: alice.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7),
        "grant": lambda: alice.create_grant(
            KeyId=arn,
            GranteePrincipal=f"arn:aws:iam::{account}:root",
            Operations=["Encrypt", "Decrypt"],
            Constraints={"EncryptionContextSubset": {"a": "1"}},
        ),
    }
    if allowed:
        attempts[attempt]()
    else:
        with fails("AccessDeniedException"):
            attempts[attempt]()


def test_an_alias_needs_permission_for_itself_and_its_key(kms, key, user, iam, policy, account, fails):
    arn = key()
    alice = user("alice")("kms")
    iam.put_user_policy(UserName="alice", PolicyName="key", PolicyDocument=policy("kms:CreateAlias", resource=arn))
    with fails("AccessDeniedException"):
        alice.create_alias(AliasName="alias/app", TargetKeyId=arn)
    alias_arn = f"arn:aws:kms:us-east-1:{account}:alias/app"
    iam.put_user_policy(UserName="alice", PolicyName="alias", PolicyDocument=policy("kms:CreateAlias", resource=alias_arn))
    alice.create_alias(AliasName="alias/app", TargetKeyId=arn)
    iam.delete_user_policy(UserName="alice", PolicyName="key")
    with fails("AccessDeniedException"):
        alice.create_alias(AliasName="alias/app", TargetKeyId=arn)


def test_re_encrypting_needs_both_keys(kms, key, user, iam, policy, fails):
    first, second = key(), key()
    blob = kms.encrypt(KeyId=first, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    alice = user("alice")("kms")
    asked = {"CiphertextBlob": blob, "SourceEncryptionContext": {"a": "1"}, "DestinationKeyId": second}
    condition = {"StringEquals": {"kms:EncryptionContext:a": "1", "kms:ReEncryptOnSameKey": "false"}}
    iam.put_user_policy(UserName="alice", PolicyName="from", PolicyDocument=policy("kms:ReEncryptFrom", condition=condition))
    with fails("AccessDeniedException"):
        alice.re_encrypt(**asked)
    iam.put_user_policy(UserName="alice", PolicyName="to", PolicyDocument=policy("kms:ReEncryptTo", resource=second))
    assert alice.re_encrypt(**asked)["KeyId"] == second


class _Service:
    """Calls made inside of the server, as another room makes them."""

    def __init__(self, ground, account, room):
        self._ground, self._account, self._room = ground.ground, account, room

    def request(self, operation, principal=None, as_=None, source_arn="", **params):
        async def ask():
            who = principal or Principal("root", f"arn:aws:iam::{self._account}:root", self._account, "", self._account)
            call = Call(self._ground, self._ground.rooms.get(self._room), "PutObject", self._account, "us-east-1", who)
            return await call.request("kms", operation, params, as_=as_, source_arn=source_arn)

        loop = self._ground.timers._loop_task.get_loop()
        return asyncio.run_coroutine_threadsafe(ask(), loop).result(20)


def test_a_service_uses_its_aws_managed_key_for_the_account(ground, kms, account):
    s3, sqs = _Service(ground, account, "s3"), _Service(ground, account, "sqs")
    made = s3.request("GenerateDataKey", KeyId="alias/aws/s3", NumberOfBytes=32, EncryptionContext={"aws:s3:arn": "arn:aws:s3:::b/k"})
    opened = s3.request("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"aws:s3:arn": "arn:aws:s3:::b/k"})
    assert opened["Plaintext"] == made["Plaintext"]
    assert kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"] == made["KeyId"]
    with pytest.raises(Exception, match="AccessDeniedException"):
        sqs.request("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"aws:s3:arn": "arn:aws:s3:::b/k"})


def test_a_policy_may_ask_that_a_service_calls(ground, kms, key, account):
    arn = key()
    via = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    everyone = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    outside = {**everyone, "Condition": {"StringNotEquals": via["StringEquals"]}}
    kms.put_key_policy(KeyId=arn, Policy=key_policy(outside, account=account))
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert _Service(ground, account, "s3").request("Decrypt", CiphertextBlob=blob)["Plaintext"] == b"x"
    with pytest.raises(Exception, match="explicit deny in a resource-based policy"):
        kms.decrypt(CiphertextBlob=blob)


def test_a_service_principal_needs_the_key_policy(ground, kms, key, account):
    arn = key()
    s3, service = _Service(ground, account, "s3"), Principal("service", "s3.amazonaws.com")
    with pytest.raises(Exception, match="AccessDeniedException"):
        s3.request("GenerateDataKey", service, KeyId=arn, KeySpec="AES_256")
    allowed = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "kms:GenerateDataKey*", "Resource": "*"}
    kms.put_key_policy(KeyId=arn, Policy=key_policy(allowed, account=account))
    assert s3.request("GenerateDataKey", service, KeyId=arn, KeySpec="AES_256")["KeyId"] == arn
