"""One request on its way through an API: what is known of it so far, for events, access logs and metrics."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from groundcloud.wire.message import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Refusal(Exception):
    """The gateway's own answer instead of an integration's. `kind` is a gateway response type of REST APIs (`THROTTLED`)."""

    def __init__(self, kind: str, message: str | None = None, reason: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.message = message
        """What the client reads instead of the kind's own sentence."""
        self.reason = reason
        """What the API's owner reads in logs."""


class Exchange:
    __slots__ = (
        "api_id",
        "api_key",
        "api_key_id",
        "authorizer",
        "authorizer_error",
        "authorizer_latency_ms",
        "authorizer_status",
        "began_ns",
        "body",
        "call",
        "caller",
        "domain_name",
        "error_message",
        "error_reason",
        "error_type",
        "extended_request_id",
        "http",
        "identity",
        "integration_error",
        "integration_latency_ms",
        "integration_request_id",
        "integration_status",
        "method",
        "parameters",
        "path",
        "request_id",
        "request_path",
        "response_bytes",
        "route",
        "stage",
        "status",
        "trace_id",
        "usage_key",
    )

    def __init__(self, call: Call, http: HttpRequest, stage: Any, path: str, request_path: str) -> None:
        """`path` is below the stage, `request_path` begins with the stage where the client named it."""
        self.call = call
        self.caller: Call | None = None
        """A call as whoever signed the request, once that is known."""
        self.http = http
        self.stage = stage
        self.api_id: str = stage.api_id
        self.method = http.method
        self.path = path
        self.request_path = request_path
        self.began_ns = time.perf_counter_ns()
        self.request_id = call.request_id
        self.extended_request_id = urlsafe_b64encode(call.random.getrandbits(88).to_bytes(11, "big")).decode()
        self.domain_name = http.host if ".execute-api." in http.host else f"{stage.api_id}.execute-api.{call.region}.{http.host}"
        self.trace_id = http.headers.get("x-amzn-trace-id") or f"Root=1-{call.now_s:08x}-{call.random.getrandbits(96):024x}"
        self.body = b""
        self.route: Any = None
        self.parameters: dict[str, str] = {}
        self.authorizer: dict[str, Any] | None = None
        self.authorizer_latency_ms: int | None = None
        self.authorizer_status: int | None = None
        self.authorizer_error = ""
        self.identity: dict[str, str] = {}
        """Of a signed caller: userArn, accountId, caller, accessKey, user."""
        self.api_key = ""
        self.api_key_id = ""
        self.usage_key = ""
        """The API key that an authoriser named."""
        self.status = 0
        self.response_bytes = 0
        self.integration_status: int | None = None
        self.integration_latency_ms: int | None = None
        self.integration_request_id = ""
        self.integration_error = ""
        self.error_message = ""
        self.error_type = ""
        self.error_reason = ""

    @property
    def public_request_id(self) -> str:
        """The id that the client reads in the response's headers."""
        return self.extended_request_id if self.stage.kind == "HTTP" else self.request_id

    @property
    def request_time(self) -> str:
        """`21/Nov/2026:01:02:03 +0000`."""
        at = time.gmtime(self.call.now_s)
        return f"{at.tm_mday:02d}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"

    @property
    def latency_ms(self) -> int:
        return (time.perf_counter_ns() - self.began_ns) // 1_000_000

    def finished(self, response: HttpResponse) -> None:
        self.status = response.status
        if isinstance(response.body, bytes):
            self.response_bytes = len(response.body)
