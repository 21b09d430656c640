"""IAM's records and tables. All are an account's, in no region, but for access keys, which are found by their id alone, and account aliases.

Names are unique without regard to case, so the keys hold them in lower case.

    iam/users, iam/groups, iam/roles      name                                     Identity, Role
    iam/instance-profiles                 name                                     InstanceProfile
    iam/profiles-of-role                  role, profile                            index
    iam/members, iam/groups-of-user       group, user; user, group                 each the other's index
    iam/inline-policies                   kind, name, policy name                  document
    iam/attached-policies                 kind, name, policy ARN                   index
    iam/attachments                       policy ARN, usage, kind, name            index of the former and of boundaries
    iam/policies                          policy name                              Policy
    iam/policy-versions                   policy name, number                      PolicyVersion
    iam/access-keys (global)              access key id                            AccessKey
    iam/keys-of-user                      user, access key id                      index
    iam/generation                        -                                        changes with every change of what an identity may do
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any, Literal, TypeVar

from groundcloud.store import Record, Table, Transaction, keys

Kind = Literal["user", "group", "role"]
Usage = Literal["policy", "boundary"]
R = TypeVar("R")


class Identity(Record, kw_only=True):
    """A user or a group. `key` is the name in lower case."""

    key: str
    name: str
    path: str
    unique_id: str
    arn: str
    created_s: int
    tags: dict[str, str] = {}
    boundary_arn: str = ""


class Role(Record, kw_only=True):
    key: str
    name: str
    path: str
    unique_id: str
    arn: str
    created_s: int
    trust_policy: str
    tags: dict[str, str] = {}
    boundary_arn: str = ""
    description: str | None = None
    max_session_s: int = 3600
    linked_service: str = ""
    """The service principal of a service-linked role."""


class InstanceProfile(Record, kw_only=True):
    key: str
    name: str
    path: str
    unique_id: str
    arn: str
    created_s: int
    tags: dict[str, str] = {}
    role_key: str = ""


class Policy(Record, kw_only=True):
    """A customer managed policy."""

    key: str
    name: str
    path: str
    unique_id: str
    arn: str
    created_s: int
    updated_s: int
    description: str = ""
    tags: dict[str, str] = {}
    default_version: int = 1
    latest_version: int = 1


class PolicyVersion(Record, kw_only=True):
    policy_key: str
    number: int
    document: str
    created_s: int


class AccessKey(Record, kw_only=True):
    """`sealed_secret` is opened by the kernel's Identities. The account's root has no `user_key`."""

    access_key_id: str
    account: str
    user_key: str
    user_name: str
    sealed_secret: bytes
    created_s: int
    active: bool = True


class LoginProfile(Record, kw_only=True):
    """`password_hash` is scrypt's, behind its salt."""

    user_key: str
    user_name: str
    created_s: int
    password_hash: bytes
    reset_required: bool = False


class PasswordPolicy(Record, kw_only=True):
    account: str
    members: dict[str, Any]


class OidcProvider(Record, kw_only=True):
    """`url` is without its scheme, as conditions and ARNs have it."""

    url: str
    arn: str
    created_s: int
    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    scheme: str = "https"


class SamlProvider(Record, kw_only=True):
    name: str
    arn: str
    created_s: int
    unique_id: str
    metadata: str
    tags: dict[str, str] = {}
    valid_until_s: int = 0


class LinkedRoleDeletion(Record, kw_only=True):
    task_id: str
    role_key: str
    deleted_s: int


@lru_cache(maxsize=4096)
def generation_key(account: str) -> bytes:
    return keys.pack((account, "", "iam/generation"))


def changed(tx: Transaction) -> None:
    """What an identity of this account may do is no longer what it was. Never the same value twice, not even where a transaction is rolled back."""
    tx.put(generation_key(tx.account), secrets.token_bytes(8))


class IdentityTable(Table[R]):
    """A table whose every write changes the account's generation."""

    def put(self, tx: Transaction, *values: Any) -> None:
        super().put(tx, *values)
        changed(tx)

    def delete(self, tx: Transaction, *key: keys.Part) -> None:
        super().delete(tx, *key)
        changed(tx)


USERS = IdentityTable("iam/users", Identity, key=("key",), scope="account")
GROUPS = IdentityTable("iam/groups", Identity, key=("key",), scope="account")
ROLES = IdentityTable("iam/roles", Role, key=("key",), scope="account")

MEMBERS: IdentityTable[None] = IdentityTable("iam/members", None, key=("group_key", "user_key"), scope="account")
GROUPS_OF_USER: Table[None] = Table("iam/groups-of-user", None, key=("user_key", "group_key"), scope="account")

INLINE = IdentityTable("iam/inline-policies", str, key=3, scope="account")
ATTACHED: IdentityTable[None] = IdentityTable("iam/attached-policies", None, key=("kind", "key", "policy_arn"), scope="account")
ATTACHMENTS: Table[None] = Table("iam/attachments", None, key=("policy_arn", "usage", "kind", "key"), scope="account")

POLICIES = IdentityTable("iam/policies", Policy, key=("key",), scope="account")
POLICY_VERSIONS = IdentityTable("iam/policy-versions", PolicyVersion, key=("policy_key", "number"), scope="account")

PROFILES = Table("iam/instance-profiles", InstanceProfile, key=("key",), scope="account")
PROFILES_OF_ROLE: Table[None] = Table("iam/profiles-of-role", None, key=("role_key", "profile_key"), scope="account")

ACCESS_KEYS = Table("iam/access-keys", AccessKey, key=("access_key_id",), scope="global")
KEYS_OF_USER: Table[None] = Table("iam/keys-of-user", None, key=("user_key", "access_key_id"), scope="account")


@lru_cache(maxsize=4096)
def access_key_key(access_key_id: str) -> bytes:
    """Where ACCESS_KEYS keeps it."""
    return keys.pack(("", "", ACCESS_KEYS.name, access_key_id))


LOGIN_PROFILES = Table("iam/login-profiles", LoginProfile, key=("user_key",), scope="account")

ALIASES = Table("iam/account-aliases", str, key=1, scope="global")
ALIAS_OF_ACCOUNT = Table("iam/alias-of-account", str, key=0, scope="account")
PASSWORD_POLICIES = Table("iam/password-policies", PasswordPolicy, key=("account",), scope="account")

OIDC_PROVIDERS = Table("iam/oidc-providers", OidcProvider, key=("url",), scope="account")
SAML_PROVIDERS = Table("iam/saml-providers", SamlProvider, key=("name",), scope="account")
LINKED_ROLE_DELETIONS = Table("iam/linked-role-deletions", LinkedRoleDeletion, key=("task_id",), scope="account")
