from __future__ import annotations


def test_a_group_is_made_found_renamed_and_deleted(iam, account, fails):
    made = iam.create_group(GroupName="staff", Path="/x/")["Group"]
    assert made["Arn"] == f"arn:aws:iam::{account}:group/x/staff"
    assert made["GroupId"].startswith("AGPA")
    with fails("EntityAlreadyExists", "Group with name staff already exists."):
        iam.create_group(GroupName="staff")
    iam.create_user(UserName="alice")
    iam.add_user_to_group(GroupName="staff", UserName="alice")
    iam.update_group(GroupName="staff", NewGroupName="crew")
    assert [user["UserName"] for user in iam.get_group(GroupName="crew")["Users"]] == ["alice"]
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="alice")["Groups"]] == ["crew"]
    with fails("NoSuchEntity", "The group with name staff cannot be found."):
        iam.get_group(GroupName="staff")
    with fails("DeleteConflict", "Cannot delete entity, must remove users from group first."):
        iam.delete_group(GroupName="crew")
    iam.remove_user_from_group(GroupName="crew", UserName="alice")
    iam.delete_group(GroupName="crew")
    assert iam.list_groups()["Groups"] == []


def test_members_come_in_pages(iam):
    iam.create_group(GroupName="staff")
    for number in range(5):
        iam.create_user(UserName=f"u{number}")
        iam.add_user_to_group(GroupName="staff", UserName=f"u{number}")
    pages = list(iam.get_paginator("get_group").paginate(GroupName="staff", PaginationConfig={"PageSize": 2}))
    assert [[user["UserName"] for user in page["Users"]] for page in pages] == [["u0", "u1"], ["u2", "u3"], ["u4"]]


def test_a_user_is_in_ten_groups_at_most(iam, fails):
    iam.create_user(UserName="alice")
    for number in range(11):
        iam.create_group(GroupName=f"g{number}")
    for number in range(10):
        iam.add_user_to_group(GroupName=f"g{number}", UserName="alice")
    iam.add_user_to_group(GroupName="g3", UserName="alice")
    with fails("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10", 409):
        iam.add_user_to_group(GroupName="g10", UserName="alice")


def test_missing_members_are_named(iam, fails):
    iam.create_group(GroupName="staff")
    with fails("NoSuchEntity", "The user with name nobody cannot be found."):
        iam.add_user_to_group(GroupName="staff", UserName="nobody")
    iam.create_user(UserName="alice")
    with fails("NoSuchEntity", "The group with name none cannot be found."):
        iam.add_user_to_group(GroupName="none", UserName="alice")
