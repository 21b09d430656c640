"""Whose key content is encrypted with: what a request and its bucket want, and the keys that a seal stands for.

    kind          the content's key comes of                              what rests of it
    SSE-S3        the server's key                                        a salt
    SSE-C         the customer's key, which every request must bring      a salt, and a proof that only that key gives
    SSE-KMS       a data key of KMS, or the bucket's (bucket keys)        a salt, and the data key as KMS encrypted it
    DSSE-KMS      as SSE-KMS, and around it the server's key              the same

Each object has a key of its own, and each part of a multipart upload one that is derived from its object's. KMS is asked under the caller's identity, so a
caller without `kms:Decrypt` reads nothing. AWS: "Protecting data with server-side encryption".
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from functools import lru_cache
from typing import Any, NamedTuple

from groundcloud.auth import sigv2
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.s3 import ciphers, errors
from groundcloud.services.s3.bucket_keys import BucketKeys, DataKey
from groundcloud.services.s3.state import Bucket, Seal, Upload, Version

CUSTOMER = "SSE-C"
MANAGED_KEY = "alias/aws/s3"
KMS = frozenset(("aws:kms", "aws:kms:dsse"))
MEMBERS = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
SOURCE_MEMBERS = ("CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5")
_NO_ALGORITHM = "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm."
Encryption = tuple[str, str, bool]
Keys = tuple[bytes, ...]


class Sealing(NamedTuple):
    """How content is to be sealed: `keys` for the object, `seal` for its record, `members` for the answer."""

    encryption: Encryption
    seal: Seal | None
    keys: Keys
    members: dict[str, Any] = {}

    def etag(self, md5: str, part_salt: bytes) -> str:
        """AWS: Object, "ETag": the MD5 of the data, but for SSE-C and SSE-KMS, where it tells nothing of them."""
        if self.seal is None or not self.seal.by:
            return md5
        return hashlib.md5(self.seal.salt + part_salt + md5.encode(), usedforsecurity=False).hexdigest()


def sealing_by_server(call: Call) -> Sealing:
    salt = ciphers.new_salt()
    return Sealing(("AES256", "", False), Seal(salt), (ciphers.derive(_server_key(call), salt),), {"ServerSideEncryption": "AES256"})


def wanted(request: dict[str, Any], bucket: Bucket) -> Encryption:
    """(algorithm, key as it was named, bucket key): the request's, else the bucket's default. SSE-C is `customer_key`'s. Raises InvalidArgument."""
    algorithm = request.get("ServerSideEncryption")
    if "SSEKMSKeyId" in request and algorithm not in KMS:
        raise errors.invalid_argument(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            "x-amz-server-side-encryption",
            algorithm or "null",
        )
    if algorithm is None:
        return bucket.encryption
    if algorithm == "AES256":
        return ("AES256", "", False)
    if algorithm not in KMS:
        raise errors.invalid_argument("The encryption method specified is not supported", "x-amz-server-side-encryption", algorithm)
    bucket_key = request.get("BucketKeyEnabled", bucket.encryption[2])
    return (algorithm, request.get("SSEKMSKeyId", ""), bool(bucket_key))


def default_of(document: dict[str, Any], bucket: Bucket) -> tuple[Encryption, tuple[str, ...]]:
    """What a ServerSideEncryptionConfiguration says: the default, and the kinds that are blocked. Raises MalformedXML, InvalidArgument.

    AWS: PutBucketEncryption: the key is not looked at before it is used; what is not said of blocked kinds stays.
    """
    rules = document.get("Rules") or []
    if len(rules) != 1:
        raise errors.malformed_xml()
    (rule,) = rules
    blocked = rule.get("BlockedEncryptionTypes")
    kinds = bucket.blocked_encryption if blocked is None else tuple(blocked.get("EncryptionType") or ())
    default = rule.get("ApplyServerSideEncryptionByDefault") or {"SSEAlgorithm": "AES256"}
    algorithm, key_id = default["SSEAlgorithm"], default.get("KMSMasterKeyID", "")
    if algorithm not in KMS:
        if algorithm != "AES256":
            raise errors.invalid_argument("The encryption method specified is not supported", "SSEAlgorithm", algorithm)
        if key_id:
            raise errors.S3Error(
                "InvalidArgument",
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
                400,
                {"ArgumentName": "ApplyServerSideEncryptionByDefault"},
            )
    return (algorithm, key_id, bool(rule.get("BucketKeyEnabled"))), kinds


async def of_write(call: Call, request: dict[str, Any], bucket: Bucket) -> Sealing:
    """For a new object or upload. Raises InvalidArgument, AccessDenied, KMS.*."""
    if "SSECustomerAlgorithm" in request and "ServerSideEncryption" in request:
        raise errors.invalid_argument(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
            "x-amz-server-side-encryption",
            request["ServerSideEncryption"],
        )
    customer = customer_key(request)
    if customer is not None:
        check_not_blocked(call, request, bucket)
        return _by_customer(request, customer)
    algorithm, key_id, bucket_key = wanted(request, bucket)
    if algorithm == "AES256":
        return sealing_by_server(call)
    return await by_kms(call, request, bucket, algorithm, key_id, bucket_key)


async def by_kms(call: Call, request: dict[str, Any], bucket: Bucket, algorithm: str, key_id: str, bucket_key: bool) -> Sealing:
    """Under a new data key, or the bucket's. Raises KMS.*, AccessDenied."""
    _check_signed(call)
    twice = algorithm == "aws:kms:dsse"
    bucket_key = bucket_key and not twice  # AWS: "S3 Bucket Keys aren't supported for" DSSE-KMS
    given = request.get("SSEKMSEncryptionContext")
    context = _context(given) if given is not None else {}
    context.setdefault("aws:s3:arn", _context_arn(bucket, request["Key"], bucket_key))
    data_key = await _new_data_key(call, bucket, key_id or MANAGED_KEY, context, bucket_key)
    salt = ciphers.new_salt()
    seal = Seal(salt, "K", wrapped=data_key.wrapped, context=context, twice=twice)
    keys: Keys = (ciphers.derive(data_key.plain, salt),)
    if twice:
        keys = (*keys, ciphers.derive(_server_key(call), salt))
    encryption = (algorithm, data_key.key_arn, bucket_key)
    members = members_of(encryption)
    if given is not None:
        members["SSEKMSEncryptionContext"] = b64encode(json.dumps(context, separators=(",", ":")).encode()).decode()
    return Sealing(encryption, seal, keys, members)


async def of_part(call: Call, request: dict[str, Any], bucket: Bucket, upload: Upload) -> Sealing:
    """For a part of an upload in progress: as the upload was begun. Raises InvalidRequest, InvalidArgument, KMS.*, AccessDenied."""
    customer = customer_key(request)
    seal = upload.seal
    if (customer is None) != (seal is None or seal.by != "C"):
        raise errors.invalid_request(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."
        )
    members = members_of(upload.encryption)
    if customer is not None:
        check_not_blocked(call, request, bucket)
        check_upload_key(upload, customer)
        members = _customer_members(request)
    if seal is None:
        return Sealing(upload.encryption, None, (), members)
    return Sealing(upload.encryption, seal, await keys_of(call, bucket, seal, customer), members)


def check_upload_key(upload: Upload, customer: bytes) -> None:
    """Raises InvalidRequest unless the upload was begun with this key."""
    if upload.seal is None or not hmac.compare_digest(_proof(customer, upload.seal.salt), upload.seal.proof):
        raise errors.invalid_request("The provided encryption parameters did not match the ones used originally.")


def check_complete(request: dict[str, Any], upload: Upload) -> None:
    """The customer's key at the end of an upload: needed where the upload has a checksum. Raises InvalidArgument, InvalidRequest."""
    if upload.seal is None or upload.seal.by != "C":
        return
    customer = customer_key(request)
    if customer is not None:
        check_upload_key(upload, customer)
    elif upload.checksum_algorithm:
        raise _wrong_customer_key(_NO_ALGORITHM)


def server_keys(call: Call, seal: Seal) -> Keys:
    """Of content that the server's key opens."""
    return _server_keys(_server_key(call), seal.salt)


@lru_cache(maxsize=ciphers.OPENERS_MAX)
def _server_keys(server_key: bytes, salt: bytes) -> Keys:
    return (ciphers.derive(server_key, salt),)


async def keys_of(call: Call, bucket: Bucket, seal: Seal | None, customer: bytes | None = None) -> Keys:
    """What opens sealed content; `customer` is the key that the request brought, checked. Raises KMS.*, AccessDenied."""
    if seal is None:
        return ()
    if not seal.by:
        return server_keys(call, seal)
    if seal.by == "C":
        assert customer is not None
        return (ciphers.derive(customer, seal.salt),)
    _check_signed(call)
    root = await _data_key(call, bucket, seal)
    key = ciphers.open_key(seal.envelope, root, seal.salt) if seal.envelope else ciphers.derive(root, seal.salt)
    return (key, *server_keys(call, seal)) if seal.twice else (key,)


async def moved(call: Call, bucket: Bucket, key: str, version: Version, key_arn: str, bucket_key: bool) -> tuple[Encryption, Seal]:
    """What a version's record says once it is under another KMS key: its content's own key is encrypted anew, the content stays as it is. What is
    under the server's key, too, stays so.

    Raises KMS.*, AccessDenied.
    """
    assert version.seal is not None
    content_key, *_ = await keys_of(call, bucket, version.seal)
    twice = version.seal.twice
    bucket_key = bucket_key and not twice
    context = {"aws:s3:arn": _context_arn(bucket, key, bucket_key)}
    data_key = await _new_data_key(call, bucket, key_arn, context, bucket_key)
    envelope = ciphers.seal_key(content_key, data_key.plain, salt := version.seal.salt)
    encryption = ("aws:kms:dsse" if twice else "aws:kms", data_key.key_arn, bucket_key)
    return encryption, Seal(salt, "K", wrapped=data_key.wrapped, context=context, envelope=envelope, twice=twice)


# The customer's key


def customer_key(request: dict[str, Any]) -> bytes | None:
    """The key that a write brings; None where it brings none. Raises InvalidArgument, InvalidEncryptionAlgorithmError."""
    if "SSECustomerAlgorithm" not in request and "SSECustomerKey" not in request and "SSECustomerKeyMD5" not in request:
        return None
    key, right = _given_key(request, MEMBERS)
    if right is None:
        raise _wrong_customer_key(
            "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key."
        )
    _check_md5(right)
    if len(key) != ciphers.KEY_BYTES:
        raise _wrong_customer_key("The secret key was invalid for the specified algorithm.")
    return key


def check_read(call: Call, request: dict[str, Any], seal: Seal | None) -> bytes | None:
    """As `customer_key_of_read`; a read may not ask for a kind of encryption either. AWS: GetObject, HeadObject, "Encryption"."""
    if call.http is not None and "x-amz-server-side-encryption" in call.http.headers:
        name = "x-amz-server-side-encryption"
        raise errors.invalid_argument(f"{name} header is not supported for this operation.", name, call.http.headers[name])
    return customer_key_of_read(request, seal)


def customer_key_of_read(request: dict[str, Any], seal: Seal | None, members: tuple[str, str, str] = MEMBERS) -> bytes | None:
    """The key that a read brings, once it is the content's; None where that has none. Raises InvalidRequest, InvalidArgument, AccessDenied."""
    given = members[0] in request or members[1] in request or members[2] in request
    if seal is None or seal.by != "C":
        if given:
            raise errors.invalid_request("The encryption parameters are not applicable to this object.")
        return None
    if not given:
        raise errors.invalid_request(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
        )
    key, right = _given_key(request, members)
    if not hmac.compare_digest(_proof(key, seal.salt), seal.proof):
        raise errors.access_denied_because(
            "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key."
        )
    _check_md5(right is not False)
    return key


def check_not_blocked(call: Call, request: dict[str, Any], bucket: Bucket) -> None:
    """Raises AccessDenied where the bucket takes no customer's keys. AWS: "Troubleshoot access denied (403 Forbidden) errors in Amazon S3"."""
    if CUSTOMER in bucket.blocked_encryption:
        action = "CopyObject" if call.operation == "CopyObject" else "PutObject"
        raise errors.access_denied_because(
            f"User: {call.principal.arn or 'anonymous'} is not authorized to perform: s3:{action} on resource: "
            f'"arn:aws:s3:::{bucket.bucket_name}/{request["Key"]}" because this bucket has blocked upload requests that specify Server Side Encryption '
            "with Customer provided keys (SSE-C). Please specify a different server-side encryption type"
        )


def _given_key(request: dict[str, Any], members: tuple[str, str, str]) -> tuple[bytes, bool | None]:
    """The key, and whether its MD5 is right (None: there is no MD5). Raises InvalidArgument, InvalidEncryptionAlgorithmError."""
    algorithm, text, md5 = (request.get(member) for member in members)
    if algorithm is None:
        raise _wrong_customer_key(_NO_ALGORITHM)
    if algorithm != "AES256":
        raise errors.S3Error(
            "InvalidEncryptionAlgorithmError",
            "The Encryption request you specified is not valid. Supported value: AES256.",
            400,
            {"ArgumentName": "x-amz-server-side-encryption", "ArgumentValue": algorithm},
        )
    if text is None:
        raise _wrong_customer_key(
            "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key."
        )
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        key = b""
    if md5 is None:
        return key, None
    return key, md5 == b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()


def _check_md5(right: bool) -> None:
    if not right:
        raise _wrong_customer_key("The calculated MD5 hash of the key did not match the hash that was provided.")


def _wrong_customer_key(sentence: str) -> errors.S3Error:
    # AWS names another header than the one that is wrong.
    return errors.invalid_argument(sentence, "x-amz-server-side-encryption", "null")


def _proof(customer: bytes, salt: bytes) -> bytes:
    return ciphers.derive(customer, salt + b"proof")


def _by_customer(request: dict[str, Any], customer: bytes) -> Sealing:
    salt = ciphers.new_salt()
    seal = Seal(salt, "C", proof=_proof(customer, salt))
    return Sealing((CUSTOMER, "", False), seal, (ciphers.derive(customer, salt),), _customer_members(request))


def _customer_members(request: dict[str, Any]) -> dict[str, Any]:
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKeyMD5": request.get("SSECustomerKeyMD5")}


# KMS


def _check_signed(call: Call) -> None:
    """Raises InvalidArgument for whoever is nobody or signs by version 2."""
    http = call.http
    if call.principal.kind == "anonymous" or (http is not None and http.query_string and sigv2.is_presigned(http.query_string)):
        raise errors.invalid_argument(
            "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.", "Authorization", "null"
        )


def _context(text: str) -> dict[str, str]:
    try:
        found = json.loads(b64decode(text, validate=True))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise errors.invalid_argument(
            "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map",
            "x-amz-server-side-encryption-context",
            text,
        )
    return found


def _context_arn(bucket: Bucket, key: str, bucket_key: bool) -> str:
    return f"arn:aws:s3:::{bucket.bucket_name}" if bucket_key else f"arn:aws:s3:::{bucket.bucket_name}/{key}"


async def _new_data_key(call: Call, bucket: Bucket, key_id: str, context: dict[str, str], bucket_key: bool) -> DataKey:
    cache = call.own("bucket-keys", BucketKeys) if bucket_key else None
    name = (call.principal.arn, call.account, bucket.bucket_name, key_id, *context.items())
    if cache is not None:
        found = cache.get(name, call.now_s)
        if found is not None:
            return found
    params = {"KeyId": key_id, "KeySpec": "AES_256", "EncryptionContext": context}
    answer = await _ask(call, bucket, "GenerateDataKey", params)
    made = DataKey(answer["Plaintext"], answer["CiphertextBlob"], answer["KeyId"])
    if cache is not None:
        cache.keep(name, made, call.now_s)
        cache.keep((call.principal.arn, made.wrapped), made, call.now_s)
    return made


async def _data_key(call: Call, bucket: Bucket, seal: Seal) -> bytes:
    bucket_key = seal.context.get("aws:s3:arn") == f"arn:aws:s3:::{bucket.bucket_name}"
    cache = call.own("bucket-keys", BucketKeys) if bucket_key else None
    name = (call.principal.arn, seal.wrapped)
    if cache is not None:
        found = cache.get(name, call.now_s)
        if found is not None:
            return found.plain
    answer = await _ask(call, bucket, "Decrypt", {"CiphertextBlob": seal.wrapped, "EncryptionContext": seal.context})
    if cache is not None:
        cache.keep(name, DataKey(answer["Plaintext"], seal.wrapped, answer["KeyId"]), call.now_s)
    plain: bytes = answer["Plaintext"]
    return plain


async def _ask(call: Call, bucket: Bucket, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    try:
        return await call.request("kms", operation, params, region=bucket.region)
    except AwsError as error:
        raise errors.of_kms(error) from None


def _server_key(call: Call) -> bytes:
    return call.own("content-key", lambda: call.ground.identities.derive(b"s3-content"))


# What answers say


def members_of(encryption: Encryption) -> dict[str, Any]:
    """Beside those of SSE-C, which only the request knows."""
    algorithm, key_arn, bucket_key = encryption
    if algorithm == CUSTOMER:
        return {}
    found: dict[str, Any] = {"ServerSideEncryption": algorithm}
    if key_arn:
        found["SSEKMSKeyId"] = key_arn
        if bucket_key:
            found["BucketKeyEnabled"] = True
    return found


def members_of_read(request: dict[str, Any], seal: Seal | None) -> dict[str, Any]:
    """What the answer to a read says of a customer's key."""
    return _customer_members(request) if seal is not None and seal.by == "C" else {}
