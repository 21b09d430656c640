"""Between API events and routes: both payload formats (1.0 of the REST API, 2.0 of the HTTP API) in, one answer out.

Each answer carries its correlation id; each refusal is `{"error": {"code", "message", "fields"}}`.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from credit_offers.errors import Problem
from credit_offers.logs import correlated, log, log_unexpected

BODY_BYTES_MAX = 16_384


@dataclass(frozen=True)
class Request:
    route: str
    """`GET /products/{product_id}/terms`"""
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    correlation_id: str

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        asked_for = headers.get("x-correlation-id") or ""
        body = event.get("body") or ""
        return cls(
            route=event["routeKey"] if event.get("version") == "2.0" else f"{event['httpMethod']} {event['resource']}",
            path=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
            correlation_id=asked_for if re.fullmatch(r"[A-Za-z0-9-]{1,64}", asked_for) else event["requestContext"]["requestId"],
        )

    def document(self) -> dict[str, Any]:
        """The body as a JSON object."""
        if len(self.body) > BODY_BYTES_MAX:
            raise Problem(413, "body_too_large", f"The body must not be larger than {BODY_BYTES_MAX} bytes.")
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise Problem(400, "invalid_json", "The body must be a JSON object.")
        return document


@dataclass(frozen=True)
class Answer:
    status: int
    body: Mapping[str, Any] | str
    """A document is sent as JSON, a text as HTML."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_event(self, correlation_id: str) -> dict[str, Any]:
        is_page = isinstance(self.body, str)
        headers = {
            "content-type": "text/html; charset=utf-8" if is_page else "application/json",
            "cache-control": "no-store",
            "x-correlation-id": correlation_id,
        }
        return {
            "statusCode": self.status,
            "headers": headers | dict(self.headers),
            "body": self.body if is_page else json.dumps(self.body),
            "isBase64Encoded": False,
        }


Routes = Mapping[str, Callable[[Request], Answer]]


def application(build: Callable[[], Routes]) -> Callable[[Mapping[str, Any], Any], dict[str, Any]]:
    """A Lambda handler over the routes, which are built when the first event comes and kept for the next."""
    routes: Routes | None = None

    def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        nonlocal routes
        started = time.monotonic()
        request = Request.from_event(event)
        with correlated(request.correlation_id):
            try:
                routes = routes or build()
                answer = _answer(routes, request)
            except Exception as error:  # the last door: whatever went wrong, the caller gets JSON and we get a line
                log_unexpected(error)
                answer = _refusal(Problem(500, "internal_error", "Something went wrong on our side."))
            duration_ms = round((time.monotonic() - started) * 1000)
            log("answered", route=request.route, status=answer.status, duration_ms=duration_ms)
            return answer.as_event(request.correlation_id)

    return handler


def _answer(routes: Routes, request: Request) -> Answer:
    try:
        if request.route not in routes:
            raise Problem(404, "not_found", "There is nothing here.")
        return routes[request.route](request)
    except Problem as problem:
        log("refused", status=problem.status, code=problem.document["code"])
        return _refusal(problem)


def _refusal(problem: Problem) -> Answer:
    return Answer(problem.status, {"error": problem.document}, problem.headers)
