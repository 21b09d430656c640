"""Who calls: `Authorization: NAME:DIGEST`, where the digest is derived from the name and the key that only this function holds."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

ROUNDS = 120_000
"""So that a guess costs as much as a check: some 30 ms of a whole processor. What memory that wants, tune.py measures."""


def digest_of(name: str, key: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", name.encode(), key.encode(), ROUNDS).hex()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    name, _, digest = event["authorizationToken"].partition(":")
    allowed = hmac.compare_digest(digest, digest_of(name, os.environ["TOKEN_KEY"]))
    api = event["methodArn"].split("/")[0]  # all of the API: the answer is kept and used for its other methods
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow" if allowed else "Deny", "Resource": f"{api}/*"}
    return {"principalId": name, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
