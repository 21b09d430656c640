from __future__ import annotations

import json

import pytest


def sentence(error):
    return error.value.response["Error"]["Message"].partition(" (ground why")[0]


@pytest.fixture
def sts(client):
    return client("sts")


def test_an_account_s_root_assumes_a_role_that_trusts_the_account(sts, role, account, session):
    arn = role("App", Path="/x/")
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="me")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/App/me"
    assert answer["AssumedRoleUser"]["AssumedRoleId"].startswith("AROA") and answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":me")
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert "PackedPolicySize" not in answer
    who = session(answer["Credentials"])("sts").get_caller_identity()
    assert (who["Arn"], who["UserId"]) == (answer["AssumedRoleUser"]["Arn"], answer["AssumedRoleUser"]["AssumedRoleId"])


def test_a_role_that_does_not_trust_the_caller_and_one_that_is_not_there_are_refused_alike(sts, role, account, fails, user):
    arn = role("App", principal={"Service": "lambda.amazonaws.com"})
    own = user("alice")("sts")
    for target in (arn, f"arn:aws:iam::{account}:role/None"):
        with fails("AccessDenied", status=403) as error:
            own.assume_role(RoleArn=target, RoleSessionName="me")
        assert sentence(error) == (
            f"User: arn:aws:iam::{account}:user/alice is not authorized to perform: sts:AssumeRole on resource: {target}"
        )
    with fails("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="me")


def test_a_user_named_by_the_trust_policy_needs_no_policy_of_its_own(iam, user, account, role):
    own = user("alice")("sts")
    own.assume_role(RoleArn=role("Direct", principal={"AWS": f"arn:aws:iam::{account}:user/alice"}), RoleSessionName="me")


def test_a_user_of_a_trusted_account_needs_a_policy_of_its_own(iam, user, role, policy, fails):
    own, arn = user("alice")("sts"), role("App")
    with fails("AccessDenied"):
        own.assume_role(RoleArn=arn, RoleSessionName="me")
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("sts:AssumeRole", resource=arn))
    own.assume_role(RoleArn=arn, RoleSessionName="me")
    iam.put_user_policy(UserName="alice", PolicyName="d", PolicyDocument=policy("sts:AssumeRole", effect="Deny"))
    with fails("AccessDenied") as error:
        own.assume_role(RoleArn=arn, RoleSessionName="me")
    assert sentence(error).endswith("with an explicit deny in an identity-based policy")


def test_across_accounts_both_sides_must_allow(client, iam, user, role, policy, trust, fails, account):
    other_account = str(int(account) + 50_000_000_000)
    other = client("iam", account=other_account)
    trusting = other.create_role(RoleName="Theirs", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{account}:root"}))["Role"]["Arn"]
    closed = other.create_role(RoleName="Closed", AssumeRolePolicyDocument=trust({"AWS": other_account}))["Role"]["Arn"]
    own = user("alice")("sts")
    with fails("AccessDenied"):
        own.assume_role(RoleArn=trusting, RoleSessionName="me")
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("sts:AssumeRole"))
    assert own.assume_role(RoleArn=trusting, RoleSessionName="me")["AssumedRoleUser"]["Arn"].startswith(f"arn:aws:sts::{other_account}:")
    with fails("AccessDenied"):
        own.assume_role(RoleArn=closed, RoleSessionName="me")


def test_an_external_id_must_be_the_one_that_the_trust_policy_names(sts, role, fails):
    arn = role("App", condition={"StringEquals": {"sts:ExternalId": "e-17"}})
    for given in ({}, {"ExternalId": "other"}):
        with fails("AccessDenied"):
            sts.assume_role(RoleArn=arn, RoleSessionName="me", **given)
    sts.assume_role(RoleArn=arn, RoleSessionName="me", ExternalId="e-17")


def test_what_is_no_role_s_arn_is_invalid(sts, fails, account):
    for arn in (f"arn:aws:iam::{account}:user/alice", "arn:aws:iam::1234:role/App", "arn:aws:iam:role/App/x/y/z"):
        with fails("ValidationError", "Request ARN is invalid", 400):
            sts.assume_role(RoleArn=arn, RoleSessionName="me")
    with fails("ValidationError", "role/App-that-is-no-arn is invalid", 400):
        sts.assume_role(RoleArn="role/App-that-is-no-arn", RoleSessionName="me")


def test_a_session_has_the_role_s_policies_at_once(iam, sts, role, session, policy, fails, account):
    arn = role("App")
    own = session(sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"])("iam")
    with fails("AccessDenied") as error:
        own.list_users()
    assert sentence(error).startswith(f"User: arn:aws:sts::{account}:assumed-role/App/me is not authorized to perform: iam:ListUsers")
    iam.put_role_policy(RoleName="App", PolicyName="p", PolicyDocument=policy("iam:ListUsers"))
    own.list_users()
    iam.delete_role_policy(RoleName="App", PolicyName="p")
    with fails("AccessDenied"):
        own.list_users()


def test_durations_have_limits(sts, role, session, iam, policy, fails):
    arn = role("App", MaxSessionDuration=7200)
    sentence = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    with fails("ValidationError", sentence, 400):
        sts.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=7201)
    chained = session(sts.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=7200)["Credentials"])("sts")
    iam.put_role_policy(RoleName="App", PolicyName="p", PolicyDocument=policy("sts:AssumeRole"))
    sentence = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
    with fails("ValidationError", f"{sentence}."):
        chained.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=3601)
    chained.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=3600)
    sentence = (
        "1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy constraint: "
        "Member must have value less than or equal to 43200"
    )
    with fails("ValidationError", sentence):
        sts.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=43201)


def test_a_session_name_has_a_pattern(sts, role, fails):
    arn = role("App")
    sentence = (
        "1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [\\w+=,.@-]*"
    )
    with fails("ValidationError", sentence, 400):
        sts.assume_role(RoleArn=arn, RoleSessionName="a b")


def test_a_session_expires_on_the_virtual_clock(sts, role, session, clock, fails):
    own = session(sts.assume_role(RoleArn=role("App"), RoleSessionName="me", DurationSeconds=900)["Credentials"])("sts")
    own.get_caller_identity()
    clock.advance("15m")
    with fails("ExpiredToken", "The security token included in the request is expired", 403):
        own.get_caller_identity()


def test_a_token_that_was_tampered_with_is_refused(sts, role, session, fails):
    credentials = sts.assume_role(RoleArn=role("App"), RoleSessionName="me")["Credentials"]
    token = credentials["SessionToken"]
    for bad in (token[:-8] + "AAAAAAAA", "nonsense", token[:20]):
        with fails("InvalidClientTokenId", "The security token included in the request is invalid.", 403):
            session({**credentials, "SessionToken": bad})("sts").get_caller_identity()


def test_a_session_policy_takes_away_and_never_gives(iam, sts, role, session, policy, fails):
    arn = role("App")
    iam.put_role_policy(RoleName="App", PolicyName="p", PolicyDocument=policy("iam:ListUsers", "iam:ListRoles"))
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="me", Policy=policy("iam:ListRoles", "iam:ListGroups"))
    assert 0 < answer["PackedPolicySize"] <= 100
    own = session(answer["Credentials"])("iam")
    own.list_roles()
    with fails("AccessDenied") as error:
        own.list_users()
    assert sentence(error).endswith("because no session policy allows the iam:ListUsers action")
    with fails("AccessDenied") as error:
        own.list_groups()
    assert sentence(error).endswith("because no identity-based policy allows the iam:ListGroups action")


def test_managed_session_policies(iam, sts, role, session, policy, fails, account):
    arn = role("App")
    iam.attach_role_policy(RoleName="App", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    own_policy = iam.create_policy(PolicyName="Users", PolicyDocument=policy("iam:ListUsers"))["Policy"]["Arn"]
    for policy_arn in (own_policy, "arn:aws:iam::aws:policy/IAMReadOnlyAccess"):
        own = session(sts.assume_role(RoleArn=arn, RoleSessionName="me", PolicyArns=[{"arn": policy_arn}])["Credentials"])
        own("iam").list_users()
        with fails("AccessDenied"):
            own("iam").create_user(UserName="x")
    missing = f"arn:aws:iam::{account}:policy/None"
    with fails("ValidationError", f"Policy {missing} was not found.", 400):
        sts.assume_role(RoleArn=arn, RoleSessionName="me", PolicyArns=[{"arn": missing}])


def test_session_policies_are_checked(sts, role, policy, fails):
    arn = role("App")
    with fails("MalformedPolicyDocument", "This policy contains invalid Json", 400):
        sts.assume_role(RoleArn=arn, RoleSessionName="me", Policy="nonsense")
    long = policy(*[f"s3:Get{number:05}" for number in range(200)])
    percent = len(long) * 100 // 2048
    with fails("PackedPolicyTooLarge", f"Packed policy consumes {percent}% of allotted space, please use smaller policy.", 400):
        sts.assume_role(RoleArn=arn, RoleSessionName="me", Policy=long)


def test_session_tags_are_principal_tags_and_transitive_ones_are_handed_on(iam, sts, role, session, fails, account):
    actions = ("sts:AssumeRole", "sts:TagSession")
    first, second = role("First", *actions), role("Second", *actions)
    document = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["iam:ListUsers", "sts:*"],
                    "Resource": "*",
                    "Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}},
                }
            ],
        }
    )
    for name in ("First", "Second"):
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    tags = [{"Key": "team", "Value": "red"}, {"Key": "job", "Value": "1"}]
    answer = sts.assume_role(RoleArn=first, RoleSessionName="me", Tags=tags, TransitiveTagKeys=["team"])
    assert answer["PackedPolicySize"] > 0
    own = session(answer["Credentials"])
    own("iam").list_users()
    with fails("AccessDenied"):
        session(sts.assume_role(RoleArn=first, RoleSessionName="me")["Credentials"])("iam").list_users()
    chained = own("sts").assume_role(RoleArn=second, RoleSessionName="me")
    session(chained["Credentials"])("iam").list_users()
    sentence = (
        "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
    )
    with fails("ValidationError", sentence, 400):
        own("sts").assume_role(RoleArn=second, RoleSessionName="me", Tags=[{"Key": "Team", "Value": "blue"}])
    with fails("ValidationError", "The specified transitive tag key must be included in the requested tags."):
        sts.assume_role(RoleArn=first, RoleSessionName="me", TransitiveTagKeys=["none"])


def test_session_tags_need_permission_of_their_own(sts, role, fails):
    arn = role("App")
    with fails("AccessDenied") as error:
        sts.assume_role(RoleArn=arn, RoleSessionName="me", Tags=[{"Key": "team", "Value": "red"}])
    assert "sts:TagSession" in sentence(error)


def test_conditions_weigh_the_tags_asked_for(sts, role, fails):
    condition = {"StringEquals": {"aws:RequestTag/team": "red"}, "ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["team"]}}
    arn = role("App", "sts:AssumeRole", "sts:TagSession", condition=condition)
    with fails("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="me", Tags=[{"Key": "team", "Value": "blue"}])
    tags = [{"Key": "team", "Value": "red"}, {"Key": "x", "Value": "y"}]
    with fails("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="me", Tags=tags, TransitiveTagKeys=["x"])
    sts.assume_role(RoleArn=arn, RoleSessionName="me", Tags=tags, TransitiveTagKeys=["team"])


def test_a_source_identity_stays_through_a_chain(iam, sts, role, session, policy, fails):
    actions = ("sts:AssumeRole", "sts:SetSourceIdentity")
    plain, first, second = role("Plain"), role("First", *actions), role("Second", *actions)
    with fails("AccessDenied") as error:
        sts.assume_role(RoleArn=plain, RoleSessionName="me", SourceIdentity="alice")
    assert "sts:SetSourceIdentity" in sentence(error)
    iam.put_role_policy(RoleName="First", PolicyName="p", PolicyDocument=policy("sts:*"))
    answer = sts.assume_role(RoleArn=first, RoleSessionName="me", SourceIdentity="alice")
    assert answer["SourceIdentity"] == "alice"
    own = session(answer["Credentials"])("sts")
    assert own.assume_role(RoleArn=second, RoleSessionName="me")["SourceIdentity"] == "alice"
    with fails("AccessDenied"):
        own.assume_role(RoleArn=second, RoleSessionName="me", SourceIdentity="bob")


def test_a_role_may_assume_itself_only_if_it_trusts_itself(iam, sts, role, session, policy, trust, fails, account):
    arn = role("App", principal={"AWS": account})
    own = session(sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"])("sts")
    with fails("AccessDenied"):
        own.assume_role(RoleArn=arn, RoleSessionName="me")
    iam.update_assume_role_policy(RoleName="App", PolicyDocument=trust({"AWS": arn}))
    own.assume_role(RoleArn=arn, RoleSessionName="me")


def test_what_is_missing_is_refused_by_name(sts, role, fails, client):
    arn = role("App")
    with fails("NotImplementedException", "Groundcloud does not implement AssumeRole with ProvidedContexts yet.", 501):
        sts.assume_role(
            RoleArn=arn, RoleSessionName="me", ProvidedContexts=[{"ProviderArn": "arn:aws:iam::aws:x/y", "ContextAssertion": "aaaa"}]
        )
    with fails("NotImplementedException", "Groundcloud does not implement sts:DecodeAuthorizationMessage yet.", 501):
        sts.decode_authorization_message(EncodedMessage="x")
    with fails("NotImplementedException", "Groundcloud does not implement sts:AssumeRoleWithSAML yet.", 501):
        sts.assume_role_with_saml(RoleArn=arn, PrincipalArn=arn, SAMLAssertion="aaaa")
    with fails("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. "):
        sts.assume_role(RoleArn=arn, RoleSessionName="me", SerialNumber="arn:aws:iam::1:mfa/x", TokenCode="123456")
