"""Server access logs: one line a request to a bucket that logs, gathered for five minutes of virtual time, then written to the bucket's target.

A line is written after its answer is known and does not hold the answer up; as on AWS, a crash may cost the latest. What the target does not take is dropped.
Differs: DeleteObjects is one line, without a BATCH.DELETE.OBJECT line a key.
AWS: "Logging requests with server access logging", "Amazon S3 server access log format".
"""

from __future__ import annotations

from typing import Any

from groundcloud.auth.principals import Principal
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, Bucket, canonical_id
from groundcloud.store import Table, Transaction
from groundcloud.wire.message import HttpRequest, HttpResponse

TIMER = "s3.access-logs"
PRINCIPAL = "logging.s3.amazonaws.com"
GATHER_MS = 5 * 60_000
LINES_MAX = 10_000
"""Lines of one log object; when so many more have come, they are not gathered any longer."""
DAY_S = 86_400

LINES: Table[tuple[int, str]] = Table("s3/access-log-lines", tuple[int, str], key=2, scope="global")
"""(bucket, sequence) -> when in seconds, the line."""

_SUBRESOURCES = {
    "accelerate": "ACCELERATE",
    "acl": "ACL",
    "analytics": "ANALYTICS",
    "attributes": "OBJECT_ATTRIBUTES",
    "cors": "CORS",
    "delete": "MULTI_OBJECT_DELETE",
    "encryption": "ENCRYPTION",
    "intelligent-tiering": "INTELLIGENT_TIERING",
    "inventory": "INVENTORY",
    "legal-hold": "OBJECT_LOCK_LEGALHOLD",
    "lifecycle": "LIFECYCLE",
    "location": "LOCATION",
    "logging": "LOGGING_STATUS",
    "metrics": "METRICS",
    "notification": "NOTIFICATION",
    "object-lock": "OBJECT_LOCK_CONFIGURATION",
    "ownershipControls": "OWNERSHIP_CONTROLS",
    "policy": "BUCKETPOLICY",
    "policyStatus": "POLICY_STATUS",
    "publicAccessBlock": "PUBLIC_ACCESS_BLOCK",
    "replication": "REPLICATION",
    "requestPayment": "REQUEST_PAYMENT",
    "restore": "OBJECT_RESTORE",
    "retention": "OBJECT_LOCK_RETENTION",
    "select": "OBJECT_SELECT",
    "tagging": "TAGGING",
    "uploads": "UPLOADS",
    "versioning": "VERSIONING",
    "versions": "BUCKETVERSIONS",
    "website": "WEBSITE",
}
"""Name in the query string -> the resource type of the operation field."""


class Logging:
    """The names of the buckets that log. A cache: read again after a change."""

    def __init__(self) -> None:
        self.names: frozenset[str] | None = None

    def of(self, call: Call) -> frozenset[str]:
        if self.names is None:
            self.names = frozenset(bucket.bucket_name for bucket in BUCKETS.scan(call.reading()) if "logging" in bucket.configured)
        return self.names

    def forget(self) -> None:
        self.names = None


def changed(call: Call, tx: Transaction) -> None:
    """A bucket's logging was put or taken away."""
    tx.after_commit(call.own("logging", Logging).forget)


def note(call: Call, http: HttpRequest, response: HttpResponse) -> None:
    """Writes the line of a request that was answered, where its bucket logs."""
    names = call.own("logging", Logging).of(call)
    if not names:
        return
    name, _, key = http.path.removeprefix("/").partition("/")
    if name not in names:
        name = call.resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        if name not in names:
            return
    with call.transaction() as tx:
        bucket = BUCKETS.get(tx, name)
        if bucket is None:
            return
        home = tx.at(bucket.account, bucket.region)
        sequence = home.sequence("s3/access-logs")
        if sequence % LINES_MAX == 0:
            call.schedule(call.clock.now_ms(), TIMER, name, key=name, tx=home)
        elif next(LINES.keys(tx, name, limit=1), None) is None:
            call.schedule(call.clock.now_ms() + GATHER_MS, TIMER, name, key=name, tx=home)
        LINES.put(tx, name, sequence, (call.now_s, line_of(call, http, response, bucket, key)))


def line_of(call: Call, http: HttpRequest, response: HttpResponse, bucket: Bucket, key: str) -> str:
    from time import gmtime, strftime
    from urllib.parse import quote

    headers = dict(response.headers)
    whole = isinstance(response.body, bytes)
    sent = len(response.body) if isinstance(response.body, bytes) else headers.get("content-length", "-")
    if http.method == "HEAD":
        sent = "-"
    code = response.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode() if whole and response.status >= 400 else ""  # type: ignore[union-attr]
    elapsed_ms = call.clock.now_ms() - call.now_ms
    query = f"?{http.query_string}" if http.query_string else ""
    signed = "authorization" in http.headers
    presigned = "X-Amz-Signature=" in http.query_string
    fields = (
        canonical_id(bucket.account),
        bucket.bucket_name,
        strftime("[%d/%b/%Y:%H:%M:%S +0000]", gmtime(call.now_s)),
        http.source_ip,
        requester_of(call.principal),
        call.request_id,
        operation_of(call, http, key),
        quote(quote(key, safe="/*-._~", errors="surrogatepass"), safe="/*-._~") if key else "-",
        f'"{http.method} {http.raw_path}{query} HTTP/1.1"',
        response.status,
        code or "-",
        sent or "-",
        _object_size(http, headers, key),
        elapsed_ms,
        elapsed_ms or 1,
        f'"{http.headers.get("referer", "-")}"',
        f'"{http.headers.get("user-agent", "-")}"',
        headers.get("x-amz-version-id", "-"),
        headers.get("x-amz-id-2", "-"),
        "SigV4" if signed or presigned else "-",
        "-",
        "QueryString" if presigned else "AuthHeader" if signed else "-",
        http.host or "-",
        "-",
        "-",
        "-",
    )
    return " ".join(str(field) for field in fields)


def requester_of(principal: Principal) -> str:
    if principal.kind == "anonymous":
        return "-"
    if principal.kind == "root":
        return canonical_id(principal.account)
    return principal.arn


def operation_of(call: Call, http: HttpRequest, key: str) -> str:
    """REST.method.resource type."""
    query = http.query
    if "uploadId" in query:
        kind = "PART" if "partNumber" in query else "UPLOAD"
    elif http.method == "PUT" and "x-amz-copy-source" in http.headers:
        return "REST.COPY.OBJECT"
    else:
        kind = next((_SUBRESOURCES[name] for name in query if name in _SUBRESOURCES), "OBJECT" if key else "BUCKET")
    if kind == "TAGGING" and key:
        kind = "OBJECT_TAGGING"
    if kind == "PART" and "x-amz-copy-source" in http.headers:
        return "REST.COPY.PART"
    return f"REST.{http.method}.{kind}"


def _object_size(http: HttpRequest, headers: dict[str, str], key: str) -> Any:
    if not key:
        return "-"
    if http.method in ("GET", "HEAD"):
        return headers.get("content-range", "").rpartition("/")[2] or headers.get("content-length", "-")
    if http.method == "PUT":
        return http.body.decoded_size if http.body.decoded_size is not None else http.body.size_bytes or "-"
    return "-"


# To the target


async def deliver(call: Call, bucket_name: str) -> None:
    """Writes what was gathered of a bucket, an object at a time."""
    while True:
        tx = call.reading()
        bucket = BUCKETS.get(tx, bucket_name)
        status = (CONFIGURATIONS.get(tx, bucket_name, "logging", "") or {}).get("LoggingEnabled")
        rows = list(LINES.items(tx, bucket_name, limit=LINES_MAX))
        if rows and bucket is not None and status:
            rows = _of_one_object(rows, status)
            body = "".join(f"{line}\n" for _, (_, line) in rows).encode()
            key = key_of(call, bucket, status, rows[0][1][0])
            request = {"Bucket": status["TargetBucket"], "Key": key, "Body": body, "ContentType": "text/plain"}
            try:
                await call.request("s3", "PutObject", request, as_=PRINCIPAL, source_arn=f"arn:aws:s3:::{bucket_name}")
            except AwsError as error:
                call.log.warning("access log of %s is dropped: %s", bucket_name, error.message)
        with call.transaction() as writing:
            for row in rows:
                LINES.delete(writing, *row[0])
        if len(rows) == 0 or next(LINES.keys(call.reading(), bucket_name, limit=1), None) is None:
            return


def _by_event_time(status: dict[str, Any]) -> bool:
    chosen = (status.get("TargetObjectKeyFormat") or {}).get("PartitionedPrefix")
    return chosen is not None and chosen.get("PartitionDateSource") == "EventTime"


def _of_one_object(rows: list[Any], status: dict[str, Any]) -> list[Any]:
    """The first rows that may stand in one object: those of a day, where the day is in its key."""
    if not _by_event_time(status):
        return rows
    day = rows[0][1][0] // DAY_S
    return [row for row in rows if row[1][0] // DAY_S == day]


def key_of(call: Call, bucket: Bucket, status: dict[str, Any], first_s: int) -> str:
    from time import gmtime, strftime

    prefix, unique = status.get("TargetPrefix", ""), call.token(16).upper()
    if "PartitionedPrefix" not in (status.get("TargetObjectKeyFormat") or {}):
        return f"{prefix}{strftime('%Y-%m-%d-%H-%M-%S', gmtime(call.clock.now_ms() // 1000))}-{unique}"
    moment = gmtime(first_s - first_s % DAY_S if _by_event_time(status) else call.clock.now_ms() // 1000)
    place = f"{bucket.account}/{bucket.region}/{bucket.bucket_name}"
    return f"{prefix}{place}/{strftime('%Y/%m/%d/%Y-%m-%d-%H-%M-%S', moment)}-{unique}"
