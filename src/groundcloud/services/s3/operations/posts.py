"""POST Object: an upload from a form, signed by its policy."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from groundcloud.auth import refusals, sigv2
from groundcloud.auth.refusals import SignatureError
from groundcloud.auth.sigv4 import signing_key
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import endpoint
from groundcloud.services.s3 import checksums, contents, encryption, errors, forms, objects
from groundcloud.services.s3.operations.endpoints import fault
from groundcloud.services.s3.operations.objects import check_put, grants_of_write, write
from groundcloud.services.s3.state import BUCKETS
from groundcloud.wire.message import HttpRequest, HttpResponse
from groundcloud.wire.xml import DECLARATION, escape

_MEMBERS = {
    "acl": "ACL",
    "cache-control": "CacheControl",
    "content-type": "ContentType",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "expires": "Expires",
    "x-amz-storage-class": "StorageClass",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-server-side-encryption-bucket-key-enabled": "BucketKeyEnabled",
    "x-amz-server-side-encryption-context": "SSEKMSEncryptionContext",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-customer-key": "SSECustomerKey",
    "x-amz-server-side-encryption-customer-key-md5": "SSECustomerKeyMD5",
    "content-md5": "ContentMD5",
    **{header: checksums.MEMBERS[algorithm] for header, algorithm in checksums.BY_HEADER.items()},
}


@endpoint("s3-form")
async def post_object(call: Call, http: HttpRequest) -> HttpResponse | None:
    bucket_name, _, rest = http.path.removeprefix("/").partition("/")
    if not bucket_name or rest:
        return None
    try:
        return await _post(call, http, bucket_name)
    except SignatureError as wrong:
        said = refusals.refusal(wrong, "s3")
        return fault(call, AwsError(said.code, said.message, status=said.status, fields=dict(said.fields)))
    except AwsError as error:
        return fault(call, error)


async def _post(call: Call, http: HttpRequest, bucket_name: str) -> HttpResponse:
    if BUCKETS.get(call.reading(), bucket_name) is None:
        raise errors.no_such_bucket(bucket_name)
    form = forms.Form(http.headers["content-type"], http.body.__aiter__())
    await form.read_fields()
    fields = form.fields
    if "key" not in fields:
        raise errors.invalid_argument(
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.", "key", ""
        )
    if not fields["key"]:
        raise errors.invalid_argument("User key must have a length greater than 0.", "key", "")
    _authenticate(call, fields)
    sizes = None
    if call.principal.kind != "anonymous":
        sizes = forms.check_policy(fields["policy"], {**fields, "key": fields["key"]}, bucket_name, call.clock)
    key = fields["key"].replace("${filename}", form.filename)
    request: dict[str, Any] = {"Bucket": bucket_name, "Key": key}
    request.update({member: fields[name] for name, member in _MEMBERS.items() if name in fields})
    metadata = {name.removeprefix("x-amz-meta-"): value for name, value in fields.items() if name.startswith("x-amz-meta-")}
    if metadata:
        request["Metadata"] = metadata
    if "BucketKeyEnabled" in request:
        request["BucketKeyEnabled"] = request["BucketKeyEnabled"].lower() == "true"
    bucket = check_put(call, call.reading(), request, form=True)
    grants, owner = grants_of_write(call, bucket, request)
    retention, legal_hold = objects.lock_of(request, bucket, call.now_s)
    sealing = await encryption.of_write(call, request, bucket)
    settled = {
        "headers": objects.headers_of(request),
        "metadata": objects.metadata_of(request),
        "storage_class": objects.storage_class_of(request),
        "tags": _tags(fields.get("tagging")),
        "encryption": sealing.encryption,
        "seal": sealing.seal,
        "grants": grants,
        "owner": owner,
        "retention": retention,
        "legal_hold": legal_hold,
    }
    received = await contents.receive(call, {**request, "Body": _bounded(form.file(), sizes)}, sealing)
    bucket, version = write(call, request, bucket_name, key, received, settled, "ObjectCreated:Post")
    headers = [("etag", f'"{version.etag}"'), ("x-amz-request-id", call.request_id), ("x-amz-id-2", call.request_id)]
    if bucket.versioning == "Enabled":
        headers.append(("x-amz-version-id", version.version_id))
    shown = {name: sealing.members[member] for name, member in _MEMBERS.items() if member in sealing.members}
    headers += [(name, value if isinstance(value, str) else str(value).lower()) for name, value in shown.items()]
    return _answer(call, http, fields, bucket_name, key, version.etag, headers)


def _answer(
    call: Call, http: HttpRequest, fields: dict[str, str], bucket_name: str, key: str, etag: str, headers: list[tuple[str, str]]
) -> HttpResponse:
    location = f"{call.endpoint}/{bucket_name}/{quote(key)}"
    redirect = fields.get("success_action_redirect") or fields.get("redirect")
    if redirect and redirect.startswith(("http://", "https://")):
        joint = "&" if "?" in redirect else "?"
        quoted_etag = quote(f'"{etag}"', safe="")
        target = f"{redirect}{joint}bucket={quote(bucket_name)}&key={quote(key, safe='')}&etag={quoted_etag}"
        return HttpResponse(303, [*headers, ("location", target)])
    headers.append(("location", location))
    status = fields.get("success_action_status", "204")
    if status == "201":
        body = (
            f"{DECLARATION}<PostResponse><Location>{escape(location)}</Location><Bucket>{bucket_name}</Bucket><Key>{escape(key)}</Key>"
            f"<ETag>&quot;{etag}&quot;</ETag></PostResponse>"
        )
        return HttpResponse(201, [*headers, ("content-type", "application/xml")], body.encode())
    return HttpResponse(200 if status == "200" else 204, headers)


async def _bounded(source: AsyncIterator[bytes], sizes: tuple[int, int] | None) -> AsyncIterator[bytes]:
    """The file, within the sizes of the policy. Raises EntityTooSmall, EntityTooLarge."""
    total = 0
    async for chunk in source:
        total += len(chunk)
        if sizes is not None and total > sizes[1]:
            raise errors.entity_too_large(total, sizes[1])
        yield chunk
    if sizes is not None and total < sizes[0]:
        raise errors.S3Error(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
            400,
            {"ProposedSize": total, "MinSizeAllowed": sizes[0]},
        )


def _authenticate(call: Call, fields: dict[str, str]) -> None:
    """Makes the call its signer's: by the policy's signature (version 4 or 2), or nobody's where there is no policy. Raises SignatureError, S3Error."""
    policy = fields.get("policy")
    if policy is None:
        return
    ground = call.ground
    newer = "x-amz-signature" in fields
    if newer:
        parts = fields.get("x-amz-credential", "").split("/")
        if len(parts) != 5 or fields.get("x-amz-algorithm") != "AWS4-HMAC-SHA256":
            raise errors.invalid_argument(
                "Bucket POST must contain a field named 'X-Amz-Credential' and 'X-Amz-Algorithm'.", "X-Amz-Credential", "/".join(parts)
            )
        access_key_id = parts[0]
    elif "awsaccesskeyid" in fields and "signature" in fields:
        access_key_id = fields["awsaccesskeyid"]
    else:
        raise errors.invalid_argument("Bucket POST must contain a field named 'X-Amz-Signature'.", "X-Amz-Signature", "")
    identity = ground.identities.resolve(
        ground.store.transaction(), ground.directory, access_key_id, fields.get("x-amz-security-token"), ground.clock.now_s()
    )
    if newer:
        mark = hmac.digest(signing_key(identity.secret, parts[1], parts[2], parts[3]), policy.encode(), "sha256").hex()
        given = fields["x-amz-signature"]
    else:
        mark, given = sigv2.mark(identity.secret, policy), fields["signature"]
    if not hmac.compare_digest(mark.encode(), given.encode()):
        raise SignatureError("mismatch", access_key_id=access_key_id, string_to_sign=policy, signature=given, canonical_request="")
    call.principal, call.session = identity.principal, identity.session
    call.account = identity.principal.account or call.account


def _tags(document: str | None) -> dict[str, str]:
    """The `tagging` field: a Tagging document."""
    if not document:
        return {}
    from groundcloud.services.s3.tags import OBJECT_TAGS_MAX, as_dict, check_tags
    from groundcloud.wire.xml import root_of

    found = []
    for node in root_of(document.encode()).iter():
        if node.tag.rsplit("}", 1)[-1] == "Tag":
            found.append({child.tag.rsplit("}", 1)[-1]: child.text or "" for child in node})
    return as_dict(check_tags(found, limit=OBJECT_TAGS_MAX))
