from __future__ import annotations


def decisions(answer):
    return [(each["EvalActionName"], each["EvalResourceName"], each["EvalDecision"]) for each in answer["EvaluationResults"]]


def test_a_principal_s_policies_are_simulated(iam, policy):
    arn = iam.create_user(UserName="alice")["User"]["Arn"]
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="alice")
    iam.put_group_policy(GroupName="staff", PolicyName="g", PolicyDocument=policy("s3:GetObject", resource="arn:aws:s3:::b/*"))
    iam.put_user_policy(UserName="alice", PolicyName="u", PolicyDocument=policy("s3:DeleteObject", effect="Deny"))
    answer = iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject", "s3:DeleteObject", "s3:PutObject"],
        ResourceArns=["arn:aws:s3:::b/x"],
        PolicyInputList=[policy("sqs:*")],
    )
    assert decisions(answer) == [
        ("s3:GetObject", "arn:aws:s3:::b/x", "allowed"),
        ("s3:DeleteObject", "arn:aws:s3:::b/x", "explicitDeny"),
        ("s3:PutObject", "arn:aws:s3:::b/x", "implicitDeny"),
    ]
    assert answer["EvaluationResults"][0]["MatchedStatements"][0]["SourcePolicyId"] == "g"


def test_a_boundary_and_context_are_weighed(iam, policy):
    arn = iam.create_user(UserName="alice", PermissionsBoundary="arn:aws:iam::aws:policy/AmazonSQSFullAccess")["User"]["Arn"]
    condition = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    iam.put_user_policy(UserName="alice", PolicyName="u", PolicyDocument=policy("*", condition=condition))
    ask = {"PolicySourceArn": arn, "ActionNames": ["sqs:SendMessage", "s3:GetObject"]}
    region = [{"ContextKeyName": "aws:RequestedRegion", "ContextKeyValues": ["eu-west-1"], "ContextKeyType": "string"}]
    answer = iam.simulate_principal_policy(**ask, ContextEntries=region)
    assert [each["EvalDecision"] for each in answer["EvaluationResults"]] == ["allowed", "implicitDeny"]
    assert answer["EvaluationResults"][1]["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    without = iam.simulate_principal_policy(**ask)
    assert without["EvaluationResults"][0]["MissingContextValues"] == ["aws:RequestedRegion"]
    assert without["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"


def test_custom_policies_are_simulated_in_pages(iam, policy):
    ask = {"PolicyInputList": [policy("s3:Get*")], "ActionNames": ["s3:GetObject", "s3:PutObject", "s3:GetBucketAcl"]}
    assert [each[2] for each in decisions(iam.simulate_custom_policy(**ask))] == ["allowed", "implicitDeny", "allowed"]
    first = iam.simulate_custom_policy(**ask, MaxItems=2)
    rest = iam.simulate_custom_policy(**ask, MaxItems=2, Marker=first["Marker"])
    assert len(first["EvaluationResults"]) == 2 and first["IsTruncated"] and len(rest["EvaluationResults"]) == 1


def test_a_simulation_has_a_size(iam, policy, fails):
    many = {"ActionNames": ["s3:GetObject"] * 100, "ResourceArns": [f"arn:aws:s3:::b/{number}" for number in range(51)]}
    with fails("InvalidInput", "More than 5000 pairs of an action and a resource are too many for one simulation.", 400):
        iam.simulate_custom_policy(PolicyInputList=[policy("s3:Get*")], **many)
    many["ResourceArns"].pop()
    assert iam.simulate_custom_policy(PolicyInputList=[policy("s3:Get*")], **many)["IsTruncated"] is True


def test_sources_that_are_not_there_are_named(iam, account, fails, policy):
    with fails("NoSuchEntity", "The user with name nobody cannot be found.", 404):
        iam.simulate_principal_policy(PolicySourceArn=f"arn:aws:iam::{account}:user/nobody", ActionNames=["s3:GetObject"])
    with fails("InvalidInput", status=400):
        iam.simulate_custom_policy(PolicyInputList=["nonsense"], ActionNames=["s3:GetObject"])


def test_the_context_keys_of_policies(iam, policy):
    condition = {"StringEquals": {"aws:PrincipalTag/team": "${aws:username}"}}
    document = policy("s3:*", condition=condition)
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[document])["ContextKeyNames"] == [
        "aws:PrincipalTag/team",
        "aws:username",
    ]
    arn = iam.create_user(UserName="alice")["User"]["Arn"]
    iam.put_user_policy(UserName="alice", PolicyName="u", PolicyDocument=document)
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == ["aws:PrincipalTag/team", "aws:username"]
