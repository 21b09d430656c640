"""What KMS keeps: keys, their material, aliases and grants; each key spelled out.

A multi-Region key is one record in each of its regions, under the same key id; what its regions share (material, rotation, which is the primary)
is written to all of them in one transaction.
"""

from __future__ import annotations

from groundcloud.store import Record, Table, Transaction

ENABLED, DISABLED = "Enabled", "Disabled"
PENDING_DELETION, PENDING_IMPORT, PENDING_REPLICA_DELETION = "PendingDeletion", "PendingImport", "PendingReplicaDeletion"

CURRENT, NON_CURRENT, PENDING_ROTATION = "CURRENT", "NON_CURRENT", "PENDING_ROTATION"


class Key(Record, frozen=True, kw_only=True):
    """`sealed` is the current material under the server's sealing key, empty while it waits for import. `service`: whose AWS managed key it is.

    `primary_region` is empty for a key of one region; `replica_regions` are the others of a multi-Region key.
    """

    key_id: str
    created_ms: int
    policy: str
    spec: str = "SYMMETRIC_DEFAULT"
    usage: str = "ENCRYPT_DECRYPT"
    origin: str = "AWS_KMS"
    state: str = ENABLED
    material_id: str = ""
    sealed: bytes = b""
    description: str = ""
    tags: dict[str, str] = {}
    service: str = ""
    deletion_ms: int = 0
    window_days: int = 0
    primary_region: str = ""
    replica_regions: tuple[str, ...] = ()
    rotation_days: int = 0
    next_rotation_ms: int = 0
    rotations_on_demand: int = 0
    expires_ms: int = 0
    grant_count: int = 0


class Material(Record, frozen=True, kw_only=True):
    """One backing key. `number` counts them from 1; `rotated_ms` is when it became current by a rotation. `sealed` is empty where imported material was deleted."""

    key_id: str
    material_id: str
    number: int
    sealed: bytes
    state: str = CURRENT
    rotated_ms: int = 0
    rotation_type: str = ""
    description: str = ""
    expires_ms: int = 0


class Alias(Record, frozen=True, kw_only=True):
    """`alias_name` with its prefix: `alias/orders`."""

    alias_name: str
    key_id: str
    created_ms: int
    updated_ms: int


class Grant(Record, frozen=True, kw_only=True):
    """`subset` and `equals` are encryption context constraints; None where there is none."""

    key_id: str
    grant_id: str
    created_ms: int
    issuing_account: str
    operations: tuple[str, ...]
    name: str = ""
    grantee: str = ""
    retiring: str = ""
    grantee_service: str = ""
    retiring_service: str = ""
    subset: dict[str, str] | None = None
    equals: dict[str, str] | None = None
    source_arn: str = ""


class Import(Record, frozen=True, kw_only=True):
    """A wrapping key handed out by GetParametersForImport; `sealed` is its private half."""

    key_id: str
    token_id: str
    until_ms: int
    algorithm: str
    sealed: bytes


class Usage(Record, frozen=True, kw_only=True):
    """The last use of a key that was written down; the latest of all may be a minute younger, see `usages`."""

    key_id: str
    operation: str
    at_ms: int
    request_id: str


KEYS = Table("kms/keys", Key, key=("key_id",))
MATERIALS = Table("kms/materials", Material, key=("key_id", "material_id"))
ALIASES = Table("kms/aliases", Alias, key=("alias_name",))
ALIASES_OF_KEY: Table[None] = Table("kms/aliases-of-key", None, key=("key_id", "alias_name"))
GRANTS = Table("kms/grants", Grant, key=("key_id", "grant_id"))
GRANTED: Table[None] = Table("kms/granted", None, key=("key_id", "principal", "grant_id"))
"""A key's grants by grantee."""

RETIRABLE: Table[None] = Table("kms/retirable", None, key=("principal", "region", "account", "key_id", "grant_id"), scope="global")
"""Grants by who may retire them, wherever the key's account."""

IMPORTS = Table("kms/imports", Import, key=("key_id", "token_id"))
USAGES = Table("kms/usages", Usage, key=("key_id",))
COUNTS: Table[int] = Table("kms/counts", int, key=1)
"""("keys",) -> customer managed keys of the account and region, for their quota."""


def count_keys(tx: Transaction) -> int:
    return COUNTS.get(tx, "keys") or 0


def put_new_key(tx: Transaction, key: Key) -> None:
    """A key that was not there; AWS managed keys do not count."""
    KEYS.put(tx, key)
    if not key.service:
        COUNTS.put(tx, "keys", count_keys(tx) + 1)


def put_alias(tx: Transaction, alias: Alias, before: Alias | None = None) -> None:
    """`before` is what it was; its place under the earlier key is given up."""
    if before is not None:
        ALIASES_OF_KEY.delete(tx, before.key_id, before.alias_name)
    ALIASES.put(tx, alias)
    ALIASES_OF_KEY.put(tx, alias.key_id, alias.alias_name)


def delete_alias(tx: Transaction, alias: Alias) -> None:
    ALIASES.delete(tx, alias.alias_name)
    ALIASES_OF_KEY.delete(tx, alias.key_id, alias.alias_name)


def put_grant(tx: Transaction, grant: Grant) -> None:
    GRANTS.put(tx, grant)
    GRANTED.put(tx, grant.key_id, grant.grantee or grant.grantee_service, grant.grant_id)
    for principal in (grant.retiring, grant.retiring_service):
        if principal:
            RETIRABLE.put(tx, principal, tx.region, tx.account, grant.key_id, grant.grant_id)


def delete_grant(tx: Transaction, grant: Grant) -> None:
    GRANTS.delete(tx, grant.key_id, grant.grant_id)
    GRANTED.delete(tx, grant.key_id, grant.grantee or grant.grantee_service, grant.grant_id)
    for principal in (grant.retiring, grant.retiring_service):
        if principal:
            RETIRABLE.delete(tx, principal, tx.region, tx.account, grant.key_id, grant.grant_id)


def delete_key(tx: Transaction, key_id: str) -> None:
    """A customer's key with all that hangs on it, in this region."""
    KEYS.delete(tx, key_id)
    COUNTS.put(tx, "keys", count_keys(tx) - 1)
    USAGES.delete(tx, key_id)
    for material in MATERIALS.keys(tx, key_id):
        MATERIALS.delete(tx, *material)
    for _, alias_name in ALIASES_OF_KEY.keys(tx, key_id):
        ALIASES.delete(tx, alias_name)
        ALIASES_OF_KEY.delete(tx, key_id, alias_name)
    for grant in GRANTS.scan(tx, key_id):
        delete_grant(tx, grant)
    for parameters in IMPORTS.keys(tx, key_id):
        IMPORTS.delete(tx, *parameters)
