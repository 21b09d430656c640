"""Long-term access keys: made, found, handed over. Their secrets rest sealed under the server's key."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterator

from groundcloud.base import ids
from groundcloud.kernel.call import Call
from groundcloud.kernel.identity import KEY_PURPOSE
from groundcloud.services.iam import errors
from groundcloud.services.iam.limits import ACCESS_KEYS_PER_USER
from groundcloud.services.iam.state import ACCESS_KEYS, KEYS_OF_USER, AccessKey, Identity
from groundcloud.store import Transaction


def make(call: Call, user_key: str, user_name: str) -> tuple[AccessKey, str]:
    """A new key and its secret, which is not shown again. `user_key` empty: the account's root. Raises LimitExceeded."""
    if sum(1 for _ in KEYS_OF_USER.keys(call.tx, user_key)) >= ACCESS_KEYS_PER_USER:
        raise errors.quota_exceeded("AccessKeysPerUser", ACCESS_KEYS_PER_USER)
    # As random as a session's secret: never the seeded source.
    secret = b64encode(secrets.token_bytes(30)).decode()
    key = AccessKey(
        access_key_id=ids.unique_id(call.random, "AKIA", 20),
        account=call.account,
        user_key=user_key,
        user_name=user_name,
        sealed_secret=call.ground.identities.seal(secret.encode(), KEY_PURPOSE),
        created_s=call.now_s,
    )
    ACCESS_KEYS.put(call.tx, key)
    KEYS_OF_USER.put(call.tx, user_key, key.access_key_id)
    return key, secret


def of_user(tx: Transaction, user_key: str, after: str | None = None) -> Iterator[AccessKey]:
    for _, access_key_id in KEYS_OF_USER.keys(tx, user_key, after=after):
        key = ACCESS_KEYS.get(tx, access_key_id)
        if key is not None:
            yield key


def load(call: Call, user_key: str, access_key_id: str) -> AccessKey:
    """Raises NoSuchEntity for another user's key too."""
    key = ACCESS_KEYS.get(call.tx, access_key_id)
    if key is None or key.account != call.account or key.user_key != user_key:
        raise errors.access_key_not_found(access_key_id)
    return key


def remove(tx: Transaction, key: AccessKey) -> None:
    ACCESS_KEYS.delete(tx, key.access_key_id)
    KEYS_OF_USER.delete(tx, key.user_key, key.access_key_id)


def hand_over(tx: Transaction, user_key: str, user: Identity) -> None:
    """The keys of a user who has been renamed."""
    for key in list(of_user(tx, user_key)):
        remove(tx, key)
        ACCESS_KEYS.put(tx, key.replace(user_key=user.key, user_name=user.name))
        KEYS_OF_USER.put(tx, user.key, key.access_key_id)
