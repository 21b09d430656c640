"""Object lock: who may delete a locked version or loosen its lock. AWS: "Locking objects with Object Lock"."""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.services.s3 import errors, permissions
from groundcloud.services.s3.state import Bucket, Version

_SENTENCE = "Access Denied because object protected by object lock."


def check_deletable(call: Call, bucket: Bucket, key: str, version: Version, *, bypass: bool) -> None:
    """Raises AccessDenied while the version is under legal hold or retention."""
    if version.legal_hold:
        raise errors.S3Error("AccessDenied", _SENTENCE, 403)
    if version.retention is None or version.retention[1] <= call.now_s:
        return
    if version.retention[0] == "GOVERNANCE" and bypass:
        permissions.require(call, bucket, "s3:BypassGovernanceRetention", key)
        return
    raise errors.S3Error("AccessDenied", _SENTENCE, 403)


def check_loosened(call: Call, bucket: Bucket, key: str, version: Version, mode: str, until_s: int, *, bypass: bool) -> None:
    """A retention may be made longer by whoever may set it, shorter or of the other mode only where it is GOVERNANCE and bypassed. Raises AccessDenied."""
    held = version.retention
    if held is None or held[1] <= call.now_s:
        return
    if until_s >= held[1] and mode == held[0]:
        return
    if held[0] == "GOVERNANCE" and bypass:
        permissions.require(call, bucket, "s3:BypassGovernanceRetention", key)
        return
    raise errors.S3Error("AccessDenied", _SENTENCE, 403)
