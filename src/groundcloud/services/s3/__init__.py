"""Amazon S3: general-purpose buckets with objects, versions, multipart uploads, encryption, listings, policies, ACLs, access points (of one region and of several), notifications, website
hosting, form uploads, object lock, lifecycle, archives, replication, inventory, access logs and SelectObjectContent; and S3 Control beside it.

All content rests encrypted: under the server's key (SSE-S3), the customer's (SSE-C), or a data key of KMS (SSE-KMS, DSSE-KMS). Differs: SSE-C is taken
without TLS; an aws:fsx or aws:backup bucket default is refused.
Differs: a bucket answers at any endpoint; a signature for another region than its own is told the right one, as at the bucket's own endpoint of AWS.
Kept and given back without effect: acceleration, analytics, metrics, intelligent tiering.
Missing: Object Lambda, directory buckets, metadata tables, access grants, Storage Lens, MFA delete; each is refused by name.
"""

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Service
from groundcloud.services.s3 import access_logs, errors
from groundcloud.services.s3.permissions import policy_of_arn
from groundcloud.wire.message import HttpRequest, HttpResponse


def _finish(call: Call, response: HttpResponse) -> None:
    """Cross-origin headers, where the request has an Origin and its bucket rules for it; a line in the access log, where the bucket has one."""
    http = call.http
    if http is None:
        return
    response.headers.append(_SERVER)
    if "origin" in http.headers:
        _allow_origin(call, http, response)
    if (call.operation in _LISTINGS and response.status == 200) or (call.operation == "HeadBucket" and response.status == 403):
        _tell_region(call, response)
    if "x-amz-request-payer" in http.headers and response.status < 300:
        _tell_charge(call, response)
    access_logs.note(call, http, response)


_SERVER = ("server", "AmazonS3")
_LISTINGS = frozenset(("ListObjects", "ListObjectsV2"))


def _tell_region(call: Call, response: HttpResponse) -> None:
    from groundcloud.services.s3.state import BUCKETS

    bucket = BUCKETS.get(call.reading(), call.resource.removeprefix("arn:aws:s3:::"))
    if bucket is not None:
        response.headers.append(("x-amz-bucket-region", bucket.region))


def _tell_charge(call: Call, response: HttpResponse) -> None:
    from groundcloud.services.s3.state import BUCKETS

    bucket = BUCKETS.get(call.reading(), call.resource.removeprefix("arn:aws:s3:::").partition("/")[0])
    if bucket is not None and "request-payment" in bucket.configured and bucket.account != call.principal.account:
        response.headers.append(("x-amz-request-charged", "requester"))


def _allow_origin(call: Call, http: HttpRequest, response: HttpResponse) -> None:
    from groundcloud.services.s3 import cors
    from groundcloud.services.s3.state import CONFIGURATIONS

    # An access point's name in the path has become its bucket's in the resource.
    bucket_name = call.resource.removeprefix("arn:aws:s3:::").partition("/")[0] or http.path.removeprefix("/").partition("/")[0]
    document = CONFIGURATIONS.get(call.reading(), bucket_name, "cors", "") if bucket_name else None
    if document is not None:
        method = http.headers.get("access-control-request-method", http.method)
        rule = cors.rule_for(document, http.headers["origin"], method, [])
        if rule is not None:
            response.headers.extend(cors.answer_headers(rule, http.headers["origin"], []))


SERVICE = Service(
    "s3", package=__name__, resource_policy=policy_of_arn, explain=errors.explain, access_denied="AccessDenied", finish=_finish
)
CONTROL = Service(
    "s3control", package=__name__, operations="control", workers="control_workers", access_denied="AccessDenied", action_prefix="s3"
)
