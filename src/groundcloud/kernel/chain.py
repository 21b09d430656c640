"""The chain: every step of a call, in order, on one page.

    route          which service, operation and protocol                         wire.route
    authenticate   whose signature is it, and is it right                        auth.sigv4, kernel.identity
    parse          the body by the operation's model; then its constraints       wire.codec
    authorise      identity, resource, boundary and session policies             kernel.authorization
    faults         what the fault plan says                                      kernel.faults
    operation      the room's function, in its transaction                       services/<room>
    commit         the answer waits until its writes are on disk                 store
    serialise      by the model                                                  wire.codec
    telemetry      one record                                                    kernel.telemetry

`answer` walks it for an HTTP request; `request` for a call from one room to another, without the wire.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from groundcloud.auth import refusals, sigv2, sigv4
from groundcloud.auth.chunked import ChunkedDecoder
from groundcloud.auth.principals import Principal
from groundcloud.auth.refusals import SignatureError
from groundcloud.base import ids
from groundcloud.base.errors import AwsError, not_implemented
from groundcloud.base.limits import ACCOUNT_DEFAULT, BODY_BYTES_MAX
from groundcloud.kernel import authorization
from groundcloud.kernel.call import Call, refuse
from groundcloud.kernel.faults import error_of
from groundcloud.kernel.service import Operation, Service
from groundcloud.kernel.telemetry import CallRecord
from groundcloud.wire import corrections
from groundcloud.wire import model as models
from groundcloud.wire import route as routes
from groundcloud.wire.codec import Codec, Codecs, JsonCodec
from groundcloud.wire.message import Body, ClientGone, HttpRequest, HttpResponse, content_of

if TYPE_CHECKING:
    from groundcloud.kernel.ground import Ground
    from groundcloud.kernel.identity import Session

ANONYMOUS = Principal("anonymous", "", "")
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_log = logging.getLogger("groundcloud.chain")


class Chain:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def answer(self, http: HttpRequest) -> HttpResponse:
        """The response to an API call, whatever happens."""
        began_ns = time.perf_counter_ns()
        request_id = ids.uuid_text(self._ground.random)
        call: Call | None = None
        codec: Codec | None = None
        route: routes.Route | None = None
        error: AwsError | None = None
        result: dict[str, Any] = {}
        raw = False
        try:
            signature = self._signature(http)
            route = await routes.identify(http, signature.service if signature is not None else None)
            room, operation, codec = self._find(route)
            principal, session = await self._authenticate(http, signature, operation, codec)
            region = signature.region if signature is not None else self._ground.settings.region
            call = Call(
                self._ground,
                room,
                route.operation,
                principal.account or ACCOUNT_DEFAULT,
                region,
                principal,
                session=session,
                http=http,
                request_id=request_id,
            )
            raw = operation.raw and isinstance(codec, JsonCodec)
            if raw:
                params = codec.parse_raw(await content_of(http))  # type: ignore[attr-defined]
            else:
                params = await codec.parse(http, route.labels)
                if room.validate:
                    codec.check(params, room.explain)
            result = await self._perform(call, operation, params)
        except SignatureError as fault:
            error = self._refusal(fault, route, http)
        except AwsError as fault:
            error = fault
        except (asyncio.CancelledError, ClientGone):
            raise
        except Exception as fault:
            _log.exception("%s failed (request %s)", f"{route.service}:{route.operation}" if route else "a request", request_id)
            error = refuse(fault)
        response: HttpResponse
        if error is None:
            assert codec is not None
            try:
                response = codec.serialize_raw(result, request_id) if raw else codec.serialize(result, request_id)  # type: ignore[attr-defined]
            except Exception as fault:
                _log.exception("cannot serialise the answer of %s (request %s)", route, request_id)
                error = refuse(fault)
        if error is not None:
            response = _error_response(error, codec, route, http, request_id)
        if call is not None and call.room is not None and call.room.finish is not None:
            call.room.finish(call, response)
        self._emit(began_ns, request_id, call, route, http, response, error)
        return response

    async def request(
        self,
        parent: Call,
        service: str,
        operation_name: str,
        params: dict[str, Any],
        *,
        as_: str | None,
        source_arn: str,
        account: str | None,
        region: str | None,
    ) -> dict[str, Any]:
        """The same without HTTP. Raises AwsError."""
        began_ns = time.perf_counter_ns()
        room = self._ground.rooms.get(service)
        operation = _operation(room, operation_name)
        principal, session = parent.principal, parent.session
        if as_ is not None:
            session = None
            if as_.startswith("arn:"):
                principal = self._ground.assume(parent.reading(), as_, f"groundcloud-{parent.service}", None, source_arn)
            else:
                principal = Principal("service", as_)
        call = Call(
            self._ground,
            room,
            operation_name,
            account or (principal.account if as_ is not None and principal.account else parent.account),
            region or parent.region,
            principal,
            session=session,
            source_arn=source_arn or parent.source_arn,
            source_account=parent.account,
            parent=parent,
        )
        error: AwsError | None = None
        try:
            if not operation.raw and room.validate:
                room.codecs.get(operation_name, room.model.metadata["protocol"]).check(params, room.explain)
            return await self._perform(call, operation, params)
        except AwsError as fault:
            error = fault
            raise
        finally:
            self._record(began_ns, call, operation_name, 200 if error is None else error.status or 400, error.code if error else "")

    def _find(self, route: routes.Route) -> tuple[Service, Operation, Codec]:
        room = self._ground.rooms.get(route.service)
        return room, _operation(room, route.operation), room.codecs.get(route.operation, route.protocol)

    def _signature(self, http: HttpRequest) -> sigv4.Signature | None:
        if sigv2.is_presigned(http.query_string) and "authorization" not in http.headers:
            return None  # S3's older presigned URLs; see _authenticate
        return sigv4.parse_authorization(http.headers, http.query_string)

    async def _authenticate(
        self, http: HttpRequest, signature: sigv4.Signature | None, operation: Operation, codec: Codec
    ) -> tuple[Principal, Session | None]:
        """The verified principal. The body is read and hashed here, unless it is one that streams: that is checked as it is read."""
        streams = _streams(codec)
        body = http.body
        if not streams and body.whole is None:
            await _read_document(body, codec)
        if signature is None:
            if codec.model.service == "s3" and sigv2.is_presigned(http.query_string):
                return self._presigned_v2(http)
            if operation.public or codec.operation.unsigned or codec.model.service == "s3":
                return ANONYMOUS, None
            raise SignatureError("missing")
        ground = self._ground
        now_s = ground.clock.now_s()
        identity = ground.identities.resolve(
            ground.store.transaction(), ground.directory, signature.access_key_id, signature.session_token, int(now_s)
        )
        form = signature.payload_form()
        if form == "absent" and body.whole is None:
            # Only S3's clients say the hash of a streaming body; the others' signatures hold that of the whole.
            await body.read(BODY_BYTES_MAX)
        if form == "absent" or form == "hash":
            if body.whole is not None:
                computed = hashlib.sha256(body.whole).hexdigest() if body.whole else EMPTY_SHA256
                payload_hash = signature.payload_hash or computed
                if form == "hash" and payload_hash != computed:
                    raise SignatureError("payload-mismatch", client=payload_hash, computed=computed)
            else:
                payload_hash = signature.payload_hash or EMPTY_SHA256
                if form == "hash":
                    body.transform = _HashCheck(payload_hash)
        elif form == "invalid":
            raise SignatureError("payload-hash-invalid", value=signature.payload_hash or "")
        else:
            payload_hash = signature.payload_hash or ""
        # Clients sign by the real clock; virtual time may be days ahead of it.
        sigv4.verify(
            signature,
            identity.secret,
            http.method,
            http.signed_path,
            http.query_string,
            http.headers,
            payload_hash,
            self._signing_now_s(signature),
        )
        if signature.presigned and codec.model.service == "s3":
            http.headers.update(_hoisted(http.query))
        if signature.chunked() or (body.transform is None and "aws-chunked" in http.headers.get("content-encoding", "") and streams):
            declared = http.headers.get("x-amz-decoded-content-length", "")
            decoded = int(declared) if declared.isdigit() else None
            body.transform = ChunkedDecoder(signature, identity.secret, decoded)
            body.decoded_size = decoded
            if body.whole is not None:
                data = body.transform.feed(body.whole)
                body.transform.finish()
                trailers = body.trailers
                body.whole, body.transform = data, None
                http.headers.update({name: value for name, value in trailers.items() if name not in http.headers})
        return identity.principal, identity.session

    def _presigned_v2(self, http: HttpRequest) -> tuple[Principal, Session | None]:
        ground, older = self._ground, sigv2.parse(http.query_string)
        identity = ground.identities.resolve(
            ground.store.transaction(), ground.directory, older.access_key_id, older.session_token, ground.clock.now_s()
        )
        # It says when it ends and not when it was made: taken to be made for an hour, the SDKs' default.
        now_s = self._ground.clock.aged_s(float(older.expires) - 3600) if older.expires.isdigit() else time.time()
        sigv2.verify(older, identity.secret, http.method, http.raw_path, http.headers, now_s)
        return identity.principal, identity.session

    def _signing_now_s(self, signature: sigv4.Signature) -> float:
        """The time to hold a signature against, by the clock of clients, who know real time alone."""
        clock = self._ground.clock
        if signature.presigned:
            return self._ground.clock.aged_s(signature.signed_s)
        return float((clock.real_ns() if clock.offset_ns or clock.frozen_ns is not None else clock.now_ns()) / 1e9)

    async def _perform(self, call: Call, operation: Operation, params: dict[str, Any]) -> dict[str, Any]:
        """Authorise, inject faults, run, wait for the disk."""
        if not operation.public:
            self._authorize(call, operation, params)
        faults = self._ground.faults
        if faults.plan and (fault := faults.of(call.service, call.operation, call.region)) is not None:
            if fault.latency_ms:
                await asyncio.sleep(fault.latency_ms / 1000)
            if fault.code:
                raise error_of(fault)
        if operation.is_async:
            result = await operation.function(call, params)
        else:
            result = call.run(operation.function, params)
            if type(result) is CoroutineType:
                result = await result  # the rest of what is too much for one turn
        store = self._ground.store
        if call.position and not store.is_durable(call.position):
            await store.durable(call.position)
        return result if result is not None else {}

    def _authorize(self, call: Call, operation: Operation, params: dict[str, Any]) -> None:
        policy_of = call.room.resource_policy if call.room is not None else None
        if operation.access is not None:
            for access in operation.access(call, params):
                call.resource = call.resource or access.resource
                authorization.authorize(call, access.action, access.resource, access.context, policy_of)
            return
        resources = operation.resource(call, params) if callable(operation.resource) else operation.resource
        context = operation.context(call, params) if operation.context is not None else None
        if isinstance(resources, str):
            call.resource = resources
            authorization.authorize(call, operation.action, resources, context, policy_of)
            return
        for resource in resources:
            call.resource = call.resource or resource
            authorization.authorize(call, operation.action, resource, context, policy_of)

    def _refusal(self, fault: SignatureError, route: routes.Route | None, http: HttpRequest) -> AwsError:
        protocol = route.protocol if route is not None else _guess_protocol(http)
        family: refusals.Family = "json"
        if protocol == "rest-xml":
            family = "s3" if route is None or route.service == "s3" else "query"
        elif protocol == "rest-json":
            family = "rest-json"
        elif protocol == "query":
            family = "query"
        said = refusals.refusal(fault, family)
        return AwsError(said.code, said.message, status=said.status, fields=dict(said.fields))

    def _emit(
        self,
        began_ns: int,
        request_id: str,
        call: Call | None,
        route: routes.Route | None,
        http: HttpRequest,
        response: HttpResponse,
        error: AwsError | None,
    ) -> None:
        self._ground.telemetry.emit(
            CallRecord(
                request_id,
                self._ground.clock.now_ms(),
                call.account if call else "",
                call.region if call else "",
                route.service if route else "",
                route.operation if route else "",
                call.resource if call else "",
                call.principal.arn if call else "",
                response.status,
                error.code if error else "",
                (time.perf_counter_ns() - began_ns) // 1000,
                http.body.size_bytes or 0,
                len(response.body) if isinstance(response.body, bytes) else 0,
                call.units if call else {},
                call.dimensions if call else {},
                http.headers.get("x-amzn-trace-id", ""),
                http.source_ip,
                http.headers.get("user-agent", ""),
            )
        )

    def _record(self, began_ns: int, call: Call, operation: str, status: int, error: str) -> None:
        self._ground.telemetry.emit(
            CallRecord(
                call.request_id,
                call.now_ms,
                call.account,
                call.region,
                call.service,
                operation,
                call.resource,
                call.principal.arn,
                status,
                error,
                (time.perf_counter_ns() - began_ns) // 1000,
                units=call.units,
                dimensions=call.dimensions,
            )
        )


class _HashCheck:
    """Compares a streamed body with the hash that was signed, at its end."""

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._digest = hashlib.sha256()
        self.trailers: dict[str, str] = {}

    def feed(self, chunk: bytes) -> bytes:
        self._digest.update(chunk)
        return chunk

    def finish(self) -> None:
        self.check(self._digest.hexdigest())

    def check(self, computed: str) -> None:
        """Raises AwsError unless `computed` is the hash that was signed."""
        if computed != self._expected:
            said = refusals.refusal(SignatureError("payload-mismatch", client=self._expected, computed=computed), "s3")
            raise AwsError(said.code, said.message, status=said.status, fields=dict(said.fields))


def _operation(room: Service, name: str) -> Operation:
    found = room.operations.get(name)
    if found is None:
        if name in room.model.operation_names:
            raise not_implemented(f"{room.name}:{name}")
        raise AwsError(
            "UnknownOperationException",
            f"{room.name} has no operation {name!r}.",
            status=400 if room.model.metadata["protocol"] == "json" else 404,
        )
    return found


async def _read_document(body: Body, codec: Codec) -> None:
    """A body that does not stream, up to what its operation takes."""
    service = codec.model.service
    bodies = corrections.BODIES_BYTES_MAX
    limit = bodies.get((service, codec.operation.name)) or bodies.get((service, ""), BODY_BYTES_MAX)
    try:
        await body.read(limit)
    except AwsError:
        if service not in corrections.TOO_LONG:
            raise
        code, sentence, status = corrections.TOO_LONG[service]
        raise AwsError(code, sentence, status=status) from None


_NOT_HOISTED = re.compile(
    "x-amz-(algorithm|credential|date|expires|signedheaders|signature|security-token|content-sha256|sdk-checksum-.*|"
    "checksum-(?!mode|algorithm|type).*)"
)


def _hoisted(query: dict[str, list[str]]) -> dict[str, str]:
    """The headers that SDKs move into a presigned URL (x-amz-meta-a, x-amz-acl). Not a checksum: an SDK that has no body yet gives that of an empty one."""
    names = ((name, name.lower()) for name in query)
    return {lower: query[name][0] for name, lower in names if lower.startswith("x-amz-") and not _NOT_HOISTED.fullmatch(lower)}


def _streams(codec: Codec) -> bool:
    shape_name = codec.operation.input_shape
    if shape_name is None:
        return False
    shape = codec.model.shapes[shape_name]
    payload = shape.get("payload")
    if payload is None:
        return False
    reference = shape["members"][payload]
    return bool(reference.get("streaming") or codec.model.shapes[reference["shape"]].get("streaming"))


def _guess_protocol(http: HttpRequest) -> str:
    scope = http.headers.get("authorization", "").partition("Credential=")[2].partition(",")[0].split("/")
    if len(scope) == 5 and routes.speaks_rest_json(scope[3]):
        return "rest-json"
    content_type = http.headers.get("content-type", "")
    if "x-amz-target" in http.headers or "json" in content_type:
        return "json"
    if content_type.startswith("application/x-www-form-urlencoded"):
        return "query"
    return "rest-xml"


def _error_response(error: AwsError, codec: Codec | None, route: routes.Route | None, http: HttpRequest, request_id: str) -> HttpResponse:
    """The error in the call's protocol; where the operation is not known, in the one the request looks like."""
    if codec is None:
        protocol = route.protocol if route is not None else _guess_protocol(http)
        service = route.service if route is not None else {"json": "sqs", "query": "sts", "rest-json": "lambda"}.get(protocol, "s3")
        model = models.load(service)
        codec = Codecs(model).get(model.operation_names[0], protocol)
    response = codec.error(error, request_id)
    if http.method == "HEAD":
        response.body = b""
    return response
