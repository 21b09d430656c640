"""What S3 keeps. Bucket names are global, so every table is: a bucket answers from any account and region that its policies let in.

Of a key, OBJECTS holds the newest version (which may be a delete marker) and VERSIONS the older ones, newest first. So a read of the current version is
one get, a listing one forward scan, and no key has older versions without a newest. `order` numbers a key's versions: microseconds since the
epoch, made larger than the version before. Content goes by (bucket, key, order) and stays where it is when a version grows old.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any

from groundcloud.store import Blob, Record, Table, Transaction

NULL = "null"
"""The version id of objects written while versioning was not enabled."""


class Bucket(Record):
    """`grants` is the ACL; `configured` names the configurations that object operations must look at."""

    bucket_name: str
    account: str
    region: str
    created_ms: int
    versioning: str = ""
    """"" (never enabled), "Enabled" or "Suspended"."""
    policy: str = ""
    encryption: tuple[str, str, bool] = ("AES256", "", False)
    """Algorithm, KMS key, whether bucket keys are used."""
    ownership: str = "BucketOwnerEnforced"
    access_block: tuple[bool, bool, bool, bool] | None = (True, True, True, True)
    """BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets."""
    grants: tuple[tuple[str, str], ...] = ()
    """(grantee, permission); none: the owner has FULL_CONTROL. A grantee is `id:<canonical>`, `uri:<group>` or `email:<address>`."""
    object_lock: tuple[str, int, int] | None = None
    """Default retention: mode ("" for none), days, years. None: object lock is off."""
    configured: tuple[str, ...] = ()
    blocked_encryption: tuple[str, ...] = ()
    """BlockedEncryptionTypes as they were put."""
    point: str = ""
    """The ARN of the access point through which a call sees the bucket; of no bucket that is kept."""


class Seal(Record):
    """How content is encrypted: by whose key, and what it takes to have the content's own key again. See `encryption`."""

    salt: bytes
    by: str = ""
    """"": the server's key. "C": the customer's, which rests nowhere. "K": a data key of KMS."""
    proof: bytes = b""
    """Of the customer's key: what only that key gives."""
    wrapped: bytes = b""
    """The data key as KMS encrypted it."""
    context: dict[str, str] = {}
    """The encryption context that it takes to decrypt `wrapped`."""
    envelope: bytes = b""
    """The content's key under the data key, where the content was there before the data key was."""
    twice: bool = False
    """DSSE-KMS: under the server's key once more."""


class Version(Record):
    """One version of an object, or a delete marker."""

    order: int
    version_id: str
    modified_ms: int
    size_bytes: int = 0
    etag: str = ""
    """Without quotes."""
    marker: bool = False
    blob: Blob | None = None
    """Content in a file; None where it rests in CONTENTS or in the parts of `upload_id`."""
    upload_id: str = ""
    parts_count: int = 0
    headers: dict[str, str] = {}
    """System metadata by member name: ContentType, CacheControl, ..."""
    metadata: dict[str, str] = {}
    storage_class: str = "STANDARD"
    checksum: tuple[str, str, str] = ("", "", "")
    """Algorithm, value, type (FULL_OBJECT or COMPOSITE)."""
    tags: dict[str, str] = {}
    encryption: tuple[str, str, bool] = ("AES256", "", False)
    grants: tuple[tuple[str, str], ...] = ()
    retention: tuple[str, int] | None = None
    """Mode, until when in seconds."""
    legal_hold: bool | None = None
    """None: nobody ever said."""
    owner: str = ""
    """The account that wrote it, where it is not the bucket's."""
    replication: str = ""
    """PENDING, COMPLETED or FAILED where rules want it elsewhere; REPLICA where it came from elsewhere."""
    restored: tuple[int, int] | None = None
    """Of an archived object: from when in milliseconds a copy can be read, and until when."""
    seal: Seal | None = None
    """None: content of a server that did not yet encrypt."""
    annotations: int = 0
    """How many it has; see `object_annotations`."""


class Upload(Record):
    """A multipart upload in progress; what the finished object will be."""

    bucket_name: str
    key: str
    upload_id: str
    initiated_ms: int
    initiator: str
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    storage_class: str = "STANDARD"
    checksum_algorithm: str = ""
    checksum_type: str = ""
    tags: dict[str, str] = {}
    encryption: tuple[str, str, bool] = ("AES256", "", False)
    grants: tuple[tuple[str, str], ...] = ()
    retention: tuple[str, int] | None = None
    legal_hold: bool | None = None
    """None: nobody ever said."""
    owner: str = ""
    seal: Seal | None = None


class Part(Record):
    """`blob` None: the content rests in PART_CONTENTS."""

    part_number: int
    size_bytes: int
    etag: str
    modified_ms: int
    blob: Blob | None = None
    checksum: tuple[str, str] = ("", "")
    """Algorithm and value; the algorithm is the upload's, or CRC64NVME where it has none."""
    salt: bytes = b""
    """Makes the part's key of the object's."""


BUCKETS = Table("s3/buckets", Bucket, key=("bucket_name",), scope="global")
OWNED: Table[None] = Table("s3/owned-buckets", None, key=2, scope="global")
"""(account, bucket name)."""
CONFIGURATIONS: Table[dict[str, Any]] = Table("s3/configurations", dict[str, Any], key=3, scope="global")
"""(bucket, kind, id) -> the document as the API gave it; id is "" where a bucket has one of the kind."""
OBJECTS: Table[Version] = Table("s3/objects", Version, key=2, scope="global")
"""(bucket, key) -> the newest version."""
VERSIONS: Table[Version] = Table("s3/versions", Version, key=3, scope="global")
"""(bucket, key, -order) -> an older version."""
NULLS: Table[int] = Table("s3/null-versions", int, key=2, scope="global")
"""(bucket, key) -> order of the null version where it is an older one."""
CONTENTS: Table[bytes] = Table("s3/contents", bytes, key=3, scope="global")
"""(bucket, key, order) -> content of small objects, so that a small put is one commit and no file."""
UPLOADS: Table[Upload] = Table("s3/uploads", Upload, key=("bucket_name", "key", "upload_id"), scope="global")
PARTS: Table[Part] = Table("s3/parts", Part, key=3, scope="global")
"""(bucket, upload id, part number). A completed upload's parts stay here: its object points at them."""
PART_CONTENTS: Table[bytes] = Table("s3/part-contents", bytes, key=3, scope="global")
SMALL_BYTES_MAX = 64 * 1024
"""Up to here content rests in the store."""


@lru_cache(maxsize=4096)
def canonical_id(account: str) -> str:
    """The canonical user id of an account: 64 hex digits, derived from it."""
    return hashlib.sha256(f"groundcloud canonical user {account}".encode()).hexdigest()


def version_id_of(order: int, random: Any) -> str:
    """Opaque to clients; holds the order, so that a version is found by its id in one get."""
    raw = order.to_bytes(8, "big") + random.getrandbits(128).to_bytes(16, "big")
    return base64.b64encode(raw, b"._").decode()


def order_of(version_id: str) -> int | None:
    """None for what `version_id_of` did not make."""
    if len(version_id) != 32:
        return None
    try:
        return int.from_bytes(base64.b64decode(version_id.encode(), b"._", validate=True)[:8], "big")
    except ValueError:
        return None


def find_version(tx: Transaction, bucket_name: str, key: str, version_id: str) -> Version | None:
    """The version of that id, the newest or an older one."""
    current = OBJECTS.get(tx, bucket_name, key)
    if current is None or current.version_id == version_id:
        return current
    if version_id == NULL:
        order = NULLS.get(tx, bucket_name, key)
    else:
        order = order_of(version_id)
    if order is None or order >= 1 << 63:
        return None
    found = VERSIONS.get(tx, bucket_name, key, -order)
    return found if found is not None and found.version_id == version_id else None
