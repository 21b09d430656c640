from __future__ import annotations

import pytest


def test_a_user_is_made_found_listed_and_deleted(iam, account):
    made = iam.create_user(UserName="Alice", Path="/team/", Tags=[{"Key": "a", "Value": "1"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{account}:user/team/Alice"
    assert made["UserId"].startswith("AIDA") and len(made["UserId"]) == 21
    assert made["Tags"] == [{"Key": "a", "Value": "1"}]
    found = iam.get_user(UserName="Alice")["User"]
    assert found == made
    listed = iam.list_users()["Users"]
    assert [user["UserName"] for user in listed] == ["Alice"]
    assert "Tags" not in listed[0]
    iam.delete_user(UserName="Alice")
    assert iam.list_users()["Users"] == []


@pytest.mark.parametrize("operation", ["get_user", "delete_user", "list_user_tags", "list_groups_for_user", "list_access_keys"])
def test_a_missing_user_is_named(iam, fails, operation):
    with fails("NoSuchEntity", "The user with name nobody cannot be found.", 404):
        getattr(iam, operation)(UserName="nobody")


def test_names_are_unique_without_regard_to_case(iam, fails):
    iam.create_user(UserName="Alice")
    with fails("EntityAlreadyExists", "User with name ALICE already exists.", 409):
        iam.create_user(UserName="ALICE")


def test_a_bad_name_gets_iam_s_own_sentence(iam, fails):
    sentence = "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
    with fails("ValidationError", sentence, 400):
        iam.create_user(UserName="a b")


def test_a_long_name_gets_the_front_end_s_sentence(iam, fails):
    name = "a" * 65
    sentence = (
        f"1 validation error detected: Value '{name}' at 'userName' failed to satisfy constraint: "
        "Member must have length less than or equal to 64"
    )
    with fails("ValidationError", sentence):
        iam.create_user(UserName=name)


def test_a_bad_path_gets_iam_s_own_sentence(iam, fails):
    sentence = (
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters "
        "and/or / characters."
    )
    with fails("ValidationError", sentence):
        iam.create_user(UserName="alice", Path="team")


def test_users_are_listed_by_path_prefix_in_pages(iam):
    for number in range(7):
        iam.create_user(UserName=f"u{number}", Path="/a/" if number % 2 else "/b/")
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix="/b/", PaginationConfig={"PageSize": 2}))
    assert [len(page["Users"]) for page in pages] == [2, 2]
    assert [user["UserName"] for page in pages for user in page["Users"]] == ["u0", "u2", "u4", "u6"]
    first = iam.list_users(MaxItems=2)
    assert first["IsTruncated"] is True
    assert iam.list_users(MaxItems=100)["IsTruncated"] is False


def test_a_marker_that_was_not_given_is_refused(iam, fails):
    with fails("ValidationError", "Invalid Marker."):
        iam.list_users(Marker="!!!")


def test_a_user_is_renamed_with_everything_it_has(iam, user, policy):
    own = user("alice")
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="alice")
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("iam:GetUser"))
    iam.attach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    iam.create_login_profile(UserName="alice", Password="Sesame-open1")
    iam.update_user(UserName="alice", NewUserName="bob", NewPath="/x/")
    assert own("iam").get_user()["User"]["UserName"] == "bob"
    assert iam.get_user(UserName="bob")["User"]["Path"] == "/x/"
    assert iam.list_user_policies(UserName="bob")["PolicyNames"] == ["p"]
    assert [user["UserName"] for user in iam.get_group(GroupName="staff")["Users"]] == ["bob"]
    assert iam.get_login_profile(UserName="bob")["LoginProfile"]["UserName"] == "bob"
    assert iam.list_access_keys(UserName="bob")["AccessKeyMetadata"][0]["UserName"] == "bob"
    assert iam.list_entities_for_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")["PolicyUsers"][0]["UserName"] == "bob"
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["bob"]


def test_a_user_is_not_renamed_onto_another(iam, fails):
    iam.create_user(UserName="alice")
    iam.create_user(UserName="bob")
    with fails("EntityAlreadyExists", "User with name bob already exists."):
        iam.update_user(UserName="alice", NewUserName="bob")
    iam.update_user(UserName="alice", NewUserName="ALICE")
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["ALICE", "bob"]


def test_a_user_with_belongings_is_not_deleted(iam, fails, policy):
    iam.create_user(UserName="alice")
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    iam.create_login_profile(UserName="alice", Password="Sesame-open1")
    iam.attach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("s3:*"))
    for sentence, take_away in [
        ("must remove users from group first.", lambda: iam.remove_user_from_group(GroupName="staff", UserName="alice")),
        ("must delete access keys first.", lambda: iam.delete_access_key(UserName="alice", AccessKeyId=key)),
        ("must delete login profile first.", lambda: iam.delete_login_profile(UserName="alice")),
        (
            "must detach all policies first.",
            lambda: iam.detach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess"),
        ),
        ("must delete policies first.", lambda: iam.delete_user_policy(UserName="alice", PolicyName="p")),
    ]:
        with fails("DeleteConflict", f"Cannot delete entity, {sentence}", 409):
            iam.delete_user(UserName="alice")
        take_away()
    iam.delete_user(UserName="alice")


def test_a_user_s_boundary_is_put_shown_and_taken(iam, fails):
    iam.create_user(UserName="alice", PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess")
    boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/PowerUserAccess"}
    assert iam.get_user(UserName="alice")["User"]["PermissionsBoundary"] == boundary
    assert iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess")["Policy"]["PermissionsBoundaryUsageCount"] == 1
    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    iam.delete_user_permissions_boundary(UserName="alice")
    assert "PermissionsBoundary" not in iam.get_user(UserName="alice")["User"]
    with fails("NoSuchEntity", "Scope ARN: arn:aws:iam::aws:policy/Nothing does not exist or is not attachable."):
        iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary="arn:aws:iam::aws:policy/Nothing")


def test_tags_are_unique_without_regard_to_case(iam, fails):
    iam.create_user(UserName="alice")
    iam.tag_user(UserName="alice", Tags=[{"Key": "Team", "Value": "a"}, {"Key": "b", "Value": "2"}])
    iam.tag_user(UserName="alice", Tags=[{"Key": "team", "Value": "c"}])
    assert iam.list_user_tags(UserName="alice")["Tags"] == [{"Key": "b", "Value": "2"}, {"Key": "team", "Value": "c"}]
    iam.untag_user(UserName="alice", TagKeys=["TEAM"])
    assert iam.list_user_tags(UserName="alice")["Tags"] == [{"Key": "b", "Value": "2"}]
    with fails("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."):
        iam.tag_user(UserName="alice", Tags=[{"Key": "x", "Value": "a"}, {"Key": "X", "Value": "b"}])


def test_get_user_without_a_name_is_the_caller(iam, account, user):
    assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{account}:root"
    own = user("alice")
    iam.put_user_policy(
        UserName="alice",
        PolicyName="self",
        PolicyDocument='{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser",'
        '"Resource":"arn:aws:iam::*:user/${aws:username}"}}',
    )
    assert own("iam").get_user()["User"]["UserName"] == "alice"


def test_accounts_do_not_see_one_another(iam, client):
    iam.create_user(UserName="alice")
    assert client("iam", account="999999999999").list_users()["Users"] == []
