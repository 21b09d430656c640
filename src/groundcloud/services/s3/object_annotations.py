"""Annotations: named texts that are put beside a version of an object, and go with it. AWS: "Annotating your objects".

They rest encrypted as their object does, each under a key of its own that is derived from its object's, as a part's is. So where the object's key is moved
under another, theirs follow. How many a version has stands in its record: what has none pays for none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from groundcloud.kernel.call import Call
from groundcloud.services.s3 import errors
from groundcloud.services.s3.state import Version
from groundcloud.store import Blob, Content, Record, Table, Transaction

ANNOTATIONS_MAX = 1000
NAME_BYTES_MAX = 512
PAYLOAD_BYTES_MAX = 1024**2
_NAME = re.compile(r"[\w.\-]+")
_RESERVED = ("aws", "s3")


class Annotation(Record):
    name: str
    modified_ms: int
    size_bytes: int
    etag: str
    checksum: tuple[str, str] = ("", "")
    salt: bytes = b""
    """Makes the annotation's key of the object's."""
    blob: Blob | None = None
    """None: the text rests in ANNOTATION_CONTENTS."""


class Kept(NamedTuple):
    """What is to be written of an annotation: its record, and its text as it rests where that is small."""

    annotation: Annotation
    data: bytes | None


ANNOTATIONS: Table[Annotation] = Table("s3/annotations", Annotation, key=4, scope="global")
"""(bucket, key, the version's order, name)."""
ANNOTATION_CONTENTS: Table[bytes] = Table("s3/annotation-contents", bytes, key=4, scope="global")


def check_name(name: str) -> None:
    """Raises AnnotationNameTooLong, InvalidAnnotationName."""
    if len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES_MAX:
        raise errors.S3Error("AnnotationNameTooLong", "The annotation name exceeds 512 bytes.", 400, {"AnnotationName": name})
    if not _NAME.fullmatch(name) or name.lower().startswith(_RESERVED):
        raise errors.S3Error("InvalidAnnotationName", "The annotation name you provided is invalid.", 400, {"AnnotationName": name})


def no_such_annotation(name: str) -> errors.S3Error:
    sentence = "The specified annotation does not exist on this object."
    return errors.S3Error("NoSuchAnnotation", sentence, 404, {"AnnotationName": name})


def linked(call: Call, tx: Transaction, kept: Kept, content: Content | Blob | None) -> Kept:
    """With its text's file, where that is one, named in this transaction."""
    if content is None:
        return kept
    return Kept(kept.annotation.replace(blob=call.blobs.link(tx, content)), None)


def put(call: Call, tx: Transaction, bucket_name: str, key: str, version: Version, kept: Kept) -> Version:
    """Writes one, in the place of the one of its name; the version as it now is. Raises AnnotationLimitExceeded."""
    annotation = kept.annotation
    place = (bucket_name, key, version.order, annotation.name)
    if _forget(call, tx, *place) is None:
        if version.annotations >= ANNOTATIONS_MAX:
            raise errors.S3Error(
                "AnnotationLimitExceeded", "The request would exceed the maximum number of annotations allowed per object.", 400
            )
        version = version.replace(annotations=version.annotations + 1)
    ANNOTATIONS.put(tx, *place, annotation)
    if kept.data is not None:
        ANNOTATION_CONTENTS.put(tx, *place, kept.data)
    return version


def delete(call: Call, tx: Transaction, bucket_name: str, key: str, version: Version, name: str) -> Version:
    """The version without the annotation of that name; the same if it has none."""
    if _forget(call, tx, bucket_name, key, version.order, name) is None:
        return version
    without: Version = version.replace(annotations=version.annotations - 1)
    return without


def drop(call: Call, tx: Transaction, bucket_name: str, key: str, version: Version) -> None:
    """Forgets all of a version's."""
    for annotation in list(ANNOTATIONS.scan(tx, bucket_name, key, version.order)):
        _forget(call, tx, bucket_name, key, version.order, annotation.name)


def name_again(call: Call, tx: Transaction, bucket_name: str, key: str, version: Version, other_bucket_name: str) -> None:
    """Gives the same version of the same key in another bucket the annotations that it has here; files are named twice, not copied."""
    drop(call, tx, other_bucket_name, key, version)
    for annotation in list(ANNOTATIONS.scan(tx, bucket_name, key, version.order)):
        here = (bucket_name, key, version.order, annotation.name)
        there = (other_bucket_name, *here[1:])
        ANNOTATIONS.put(tx, *there, annotation)
        if annotation.blob is not None:
            call.blobs.link(tx, annotation.blob)
        else:
            ANNOTATION_CONTENTS.put(tx, *there, ANNOTATION_CONTENTS.get(tx, *here) or b"")


def _forget(call: Call, tx: Transaction, bucket_name: str, key: str, order: int, name: str) -> Annotation | None:
    place = (bucket_name, key, order, name)
    found = ANNOTATIONS.get(tx, *place)
    if found is None:
        return None
    ANNOTATIONS.delete(tx, *place)
    if found.blob is not None:
        call.blobs.unlink(tx, found.blob)
    else:
        ANNOTATION_CONTENTS.delete(tx, *place)
    return found
