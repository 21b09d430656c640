"""Temporary credentials as STS answers them."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.identity import SessionCredentials


def credentials(issued: SessionCredentials) -> dict[str, Any]:
    return {
        "AccessKeyId": issued.access_key_id,
        "SecretAccessKey": issued.secret_access_key,
        "SessionToken": issued.session_token,
        "Expiration": issued.expires_s,
    }
