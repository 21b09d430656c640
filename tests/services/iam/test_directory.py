"""The kernel's view of identities, without a server."""

from __future__ import annotations

import pytest

from groundcloud.auth.principals import Principal
from groundcloud.services.iam import managed
from groundcloud.services.iam.directory import DIRECTORY
from groundcloud.services.iam.state import ATTACHED, GROUPS, GROUPS_OF_USER, INLINE, MEMBERS, ROLES, USERS, Identity, Role
from groundcloud.store import Store
from groundcloud.store.engines.memory import MemoryEngine

ACCOUNT = "111122223333"


@pytest.fixture
def store():
    return Store(MemoryEngine())


def identity(kind: str, name: str) -> Identity:
    return Identity(
        key=name.lower(), name=name, path="/", unique_id="AIDA" + "A" * 17, arn=f"arn:aws:iam::{ACCOUNT}:{kind}/{name}", created_s=0
    )


def test_every_write_of_an_identity_changes_the_generation(store):
    seen = {DIRECTORY.generation(store.transaction(), ACCOUNT)}
    writes = [
        lambda tx: USERS.put(tx, identity("user", "Alice")),
        lambda tx: GROUPS.put(tx, identity("group", "Staff")),
        lambda tx: MEMBERS.put(tx, "staff", "alice"),
        lambda tx: INLINE.put(tx, "user", "alice", "p", "{}"),
        lambda tx: ATTACHED.put(tx, "user", "alice", "arn:aws:iam::aws:policy/AdministratorAccess"),
        lambda tx: ATTACHED.delete(tx, "user", "alice", "arn:aws:iam::aws:policy/AdministratorAccess"),
        lambda tx: MEMBERS.delete(tx, "staff", "alice"),
        lambda tx: USERS.delete(tx, "alice"),
    ]
    for number, write in enumerate(writes, 2):
        with store.transaction(ACCOUNT, "us-east-1") as tx:
            write(tx)
        seen.add(DIRECTORY.generation(store.transaction("000000000000", "eu-west-1"), ACCOUNT))
        assert len(seen) == number
    assert DIRECTORY.generation(store.transaction(), "000000000000") == 0


def test_a_generation_that_was_rolled_back_does_not_come_again(store):
    seen = []
    for _ in range(2):
        with pytest.raises(RuntimeError), store.transaction(ACCOUNT, "") as tx:
            USERS.put(tx, identity("user", "Alice"))
            seen.append(DIRECTORY.generation(tx, ACCOUNT))
            raise RuntimeError
    assert len(set(seen)) == 2 and DIRECTORY.generation(store.transaction(), ACCOUNT) == 0


def test_policies_of_a_user_are_its_own_and_its_groups(store):
    with store.transaction(ACCOUNT, "") as tx:
        USERS.put(tx, identity("user", "Alice").replace(boundary_arn="arn:aws:iam::aws:policy/PowerUserAccess", tags={"a": "b"}))
        GROUPS.put(tx, identity("group", "Staff"))
        MEMBERS.put(tx, "staff", "alice")
        GROUPS_OF_USER.put(tx, "alice", "staff")
        INLINE.put(tx, "user", "alice", "own", "{1}")
        INLINE.put(tx, "group", "staff", "theirs", "{2}")
        ATTACHED.put(tx, "group", "staff", "arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    found = DIRECTORY.policies(store.transaction(), Principal("user", f"arn:aws:iam::{ACCOUNT}:user/x/Alice", ACCOUNT))
    assert [name for name, _ in found.identity] == ["own", "theirs", "arn:aws:iam::aws:policy/AmazonSQSFullAccess"]
    assert found.boundary[0] == "arn:aws:iam::aws:policy/PowerUserAccess"
    assert found.tags == {"a": "b"}


def test_a_boundary_that_is_gone_allows_nothing(store):
    with store.transaction(ACCOUNT, "") as tx:
        USERS.put(tx, identity("user", "Alice").replace(boundary_arn=f"arn:aws:iam::{ACCOUNT}:policy/Gone"))
    found = DIRECTORY.policies(store.transaction(), Principal("user", f"arn:aws:iam::{ACCOUNT}:user/Alice", ACCOUNT))
    assert '"Deny"' in found.boundary[1]


def test_a_role_is_found_by_its_whole_arn(store):
    arn = f"arn:aws:iam::{ACCOUNT}:role/x/App"
    role = Role(key="app", name="App", path="/x/", unique_id="AROA1", arn=arn, created_s=0, trust_policy="{}")
    with store.transaction(ACCOUNT, "") as tx:
        ROLES.put(tx, role)
    tx = store.transaction()
    assert DIRECTORY.role(tx, arn).unique_id == "AROA1"
    for other in (f"arn:aws:iam::{ACCOUNT}:role/App", "arn:aws:iam::444455556666:role/x/App", "App", "arn:aws:iam"):
        assert DIRECTORY.role(tx, other) is None


def test_who_is_not_there_has_no_policies(store):
    tx = store.transaction()
    for principal in (
        Principal("user", f"arn:aws:iam::{ACCOUNT}:user/Alice", ACCOUNT),
        Principal("role-session", "arn:aws:sts::1:assumed-role/a/b", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:role/a"),
    ):
        assert DIRECTORY.policies(tx, principal).identity == ()
    assert DIRECTORY.access_key(tx, "AKIA") is None


def test_every_policy_of_aws_is_well_formed():
    from groundcloud.auth import documents

    assert len(managed.POLICIES) > 70
    ids = set()
    for arn, policy in managed.POLICIES.items():
        documents.parse(policy.document, "identity", arn)
        ids.add(policy.unique_id)
    assert len(ids) == len(managed.POLICIES)
