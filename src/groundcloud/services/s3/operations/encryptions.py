"""UpdateObjectEncryption: an object under another KMS key, its content as it was."""

from __future__ import annotations

from typing import Any

from groundcloud.base import arn
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import encryption, errors, versions
from groundcloud.services.s3.operations.objects import open_version
from groundcloud.services.s3.operations.policies import check_body
from groundcloud.services.s3.state import find_version


@operation(public=True)
async def update_object_encryption(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """AWS: UpdateObjectEncryption, "Errors"; its sentences."""
    action = "s3:UpdateObjectEncryption"
    bucket, version = open_version(call, call.reading(), request, action, action)
    check_body(call)
    wanted = request["ObjectEncryption"].get("SSEKMS")
    if wanted is None:
        raise errors.invalid_request(
            "Requests that modify an object encryption configuration require a valid new encryption type. Valid values are SSEKMS. "
            "Modify the request to specify SSE-KMS for the updated encryption type, and then try again."
        )
    if arn.parse(wanted["KMSKeyArn"]).account != bucket.account:
        raise errors.access_denied_because(
            "The AWS KMS key in the request must be owned by the same account as the bucket. Modify the request to specify a KMS key from the same "
            "account, and then try again."
        )
    _check_source(version.encryption[0], sealed=version.seal is not None)
    if version.legal_hold or (version.retention is not None and version.retention[1] > call.now_s):
        raise errors.access_denied_because(
            "The encryption type for the specified object can't be updated because that object is protected by S3 Object Lock. If the object has a "
            "governance-mode retention period or a legal hold, you must first remove the Object Lock status on the object before you issue your "
            "UpdateObjectEncryption request. You can't use the UpdateObjectEncryption operation with objects that have an Object Lock compliance mode "
            "retention period applied to them."
        )
    key = request["Key"]
    encrypted, seal = await encryption.moved(call, bucket, key, version, wanted["KMSKeyArn"], bool(wanted.get("BucketKeyEnabled")))
    with call.transaction() as tx:
        name = bucket.bucket_name
        now = find_version(tx, name, key, version.version_id)
        if now is None or now.order != version.order or now.seal != version.seal:
            raise errors.conditional_conflict("", key)
        versions.change(tx, name, key, now.replace(encryption=encrypted, seal=seal))
    return {}


def _check_source(algorithm: str, *, sealed: bool) -> None:
    if not sealed:
        raise errors.invalid_request(
            "The UpdateObjectEncryption operation doesn't supported unencrypted source objects. Only source objects encrypted with SSE-S3 or SSE-KMS "
            "are supported."
        )
    if algorithm not in ("AES256", "aws:kms"):
        raise errors.invalid_request(
            "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. Only source objects "
            "encrypted with SSE-S3 or SSE-KMS are supported."
        )
