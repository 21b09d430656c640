"""Random work on users, groups, roles and policies: every index says what the records say, and lists say what was done."""

from __future__ import annotations

import json
import random

import pytest
from botocore.exceptions import ClientError

from groundcloud.services.iam.state import (
    ATTACHED,
    ATTACHMENTS,
    GROUPS,
    GROUPS_OF_USER,
    INLINE,
    KEYS_OF_USER,
    MEMBERS,
    POLICIES,
    POLICY_VERSIONS,
    PROFILES,
    PROFILES_OF_ROLE,
    ROLES,
    USERS,
)

STEPS = 300
REFUSALS = {"NoSuchEntity", "EntityAlreadyExists", "DeleteConflict", "LimitExceeded"}


@pytest.mark.parametrize("seed", range(4))
def test_indexes_hold_after_any_work(iam, account, policy, trust, ground, seed):
    rng = random.Random(seed)
    boundary = "arn:aws:iam::aws:policy/PowerUserAccess"

    def name():
        return rng.choice(["a", "b", "C", "d"])

    def arn():
        return f"arn:aws:iam::{account}:policy/{name()}"

    steps = [
        lambda: iam.create_user(UserName=name(), **rng.choice([{}, {"PermissionsBoundary": boundary}])),
        lambda: iam.create_group(GroupName=name()),
        lambda: iam.create_role(RoleName=name(), AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"})),
        lambda: iam.create_policy(PolicyName=name(), PolicyDocument=policy("s3:*")),
        lambda: iam.create_policy_version(PolicyArn=arn(), PolicyDocument=policy("sqs:*"), SetAsDefault=rng.random() < 0.5),
        lambda: iam.create_instance_profile(InstanceProfileName=name()),
        lambda: iam.create_access_key(UserName=name()),
        lambda: iam.add_user_to_group(GroupName=name(), UserName=name()),
        lambda: iam.remove_user_from_group(GroupName=name(), UserName=name()),
        lambda: iam.add_role_to_instance_profile(InstanceProfileName=name(), RoleName=name()),
        lambda: iam.remove_role_from_instance_profile(InstanceProfileName=name(), RoleName=name()),
        lambda: iam.attach_user_policy(UserName=name(), PolicyArn=arn()),
        lambda: iam.attach_group_policy(GroupName=name(), PolicyArn=arn()),
        lambda: iam.attach_role_policy(RoleName=name(), PolicyArn=arn()),
        lambda: iam.detach_user_policy(UserName=name(), PolicyArn=arn()),
        lambda: iam.detach_group_policy(GroupName=name(), PolicyArn=arn()),
        lambda: iam.detach_role_policy(RoleName=name(), PolicyArn=arn()),
        lambda: iam.put_user_policy(UserName=name(), PolicyName=name(), PolicyDocument=policy("s3:*")),
        lambda: iam.put_group_policy(GroupName=name(), PolicyName=name(), PolicyDocument=policy("s3:*")),
        lambda: iam.delete_user_policy(UserName=name(), PolicyName=name()),
        lambda: iam.delete_group_policy(GroupName=name(), PolicyName=name()),
        lambda: iam.put_role_permissions_boundary(RoleName=name(), PermissionsBoundary=rng.choice([boundary, arn()])),
        lambda: iam.delete_role_permissions_boundary(RoleName=name()),
        lambda: iam.update_user(UserName=name(), NewUserName=name(), NewPath=rng.choice(["/", "/x/"])),
        lambda: iam.update_group(GroupName=name(), NewGroupName=name()),
        lambda: iam.delete_user(UserName=name()),
        lambda: iam.delete_group(GroupName=name()),
        lambda: iam.delete_role(RoleName=name()),
        lambda: iam.delete_policy(PolicyArn=arn()),
        lambda: iam.delete_instance_profile(InstanceProfileName=name()),
    ]
    done = 0
    for _ in range(STEPS):
        try:
            rng.choice(steps)()
            done += 1
        except ClientError as error:
            assert error.response["Error"]["Code"] in REFUSALS
    assert done > STEPS // 5

    tx = ground.ground.store.transaction(account, "")
    assert set(MEMBERS.keys(tx)) == {(group, user) for user, group in GROUPS_OF_USER.keys(tx)}
    bearers = (
        {("user", key): USERS.get(tx, key) for (key,) in USERS.keys(tx)}
        | {("group", key): GROUPS.get(tx, key) for (key,) in GROUPS.keys(tx)}
        | {("role", key): ROLES.get(tx, key) for (key,) in ROLES.keys(tx)}
    )
    uses = {(policy_arn, "policy", kind, key) for kind, key, policy_arn in ATTACHED.keys(tx)}
    uses |= {(bearer.boundary_arn, "boundary", *place) for place, bearer in bearers.items() if bearer.boundary_arn}
    assert set(ATTACHMENTS.keys(tx)) == uses
    own = {policy.arn for policy in POLICIES.scan(tx)}
    assert all((kind, key) in bearers for _, _, kind, key in uses)
    assert {policy_arn for policy_arn, *_ in uses} <= own | {boundary}
    assert all((kind, key) in bearers for kind, key, _ in INLINE.keys(tx))
    assert all(("user", key) in bearers for key, _ in KEYS_OF_USER.keys(tx))
    assert all(("group", group) in bearers and ("user", user) in bearers for group, user in MEMBERS.keys(tx))
    assert set(PROFILES_OF_ROLE.keys(tx)) == {(profile.role_key, profile.key) for profile in PROFILES.scan(tx) if profile.role_key}
    assert {key for key, _ in POLICY_VERSIONS.keys(tx)} == {policy.key for policy in POLICIES.scan(tx)}
    for found in POLICIES.scan(tx):
        assert POLICY_VERSIONS.has(tx, found.key, found.default_version)
    for (kind, key), bearer in bearers.items():
        assert bearer.key == key == bearer.name.lower() and bearer.arn.endswith(f":{kind}{bearer.path}{bearer.name}")
    counted = {each["Arn"]: each["AttachmentCount"] for each in iam.list_policies(Scope="Local")["Policies"]}
    assert counted == {each: sum(1 for use in uses if use[:2] == (each, "policy")) for each in own}, json.dumps(counted)
