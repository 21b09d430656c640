"""The server's own API below /_ground/: health, the virtual clock, explanations of denials, recent calls, the fault plan. JSON in and out.

    GET  /_ground/health                   {"status", "version", "services"}
    GET  /_ground/clock                    {"now", "now_ms", "offset_ms", "frozen"}
    POST /_ground/clock                    {"advance": "15m"} | {"to": "2026-12-01T00:00:00Z"} | {"freeze": true} | {"resume": true} | {"settle": true}
    GET  /_ground/why/REQUEST_ID           {"request_id", "decisions": [...], "text"}
    GET  /_ground/calls?limit=100          the latest calls' records
    GET  /_ground/faults, PUT              the plan: a list of kernel.faults.Fault
    /_ground/SERVICE/...                   what a room shows of itself: its endpoint "ground" (`services/*/operations/pages.py`)

On loopback these answer whoever can reach the port, but no web page (requests with an Origin, or for another host name, are refused); elsewhere they
want the root's signature (SigV4, service name `ground`).
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

import groundcloud
from groundcloud.auth import refusals, sigv4
from groundcloud.auth.refusals import SignatureError
from groundcloud.base.clock import FURTHEST_MS, duration_ms
from groundcloud.base.limits import ACCOUNT_DEFAULT
from groundcloud.kernel.call import Call
from groundcloud.kernel.chain import ANONYMOUS
from groundcloud.kernel.faults import Fault
from groundcloud.kernel.ground import Ground
from groundcloud.wire import timestamps
from groundcloud.wire.message import HttpRequest, HttpResponse

SETTLE_TIMEOUT_S = 60.0
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]", ""}


async def answer(ground: Ground, request: HttpRequest) -> HttpResponse:
    path, method = request.path.rstrip("/"), request.method
    if path in ("/_ground/health", "/_localstack/health", "/_localstack/init", "/_localstack/info"):
        return _json(200, health(ground, request.path.startswith("/_localstack")))
    try:
        await _admit(ground, request)
        if path == "/_ground/clock":
            return _json(200, clock(ground) if method == "GET" else await _move_clock(ground, await request.body.read(65536)))
        if path.startswith("/_ground/why/"):
            return _why(ground, path.removeprefix("/_ground/why/"))
        if path == "/_ground/calls":
            limit = int(request.query.get("limit", ["100"])[0])
            return _json(200, list(ground.telemetry.recent)[-limit:])
        if path == "/_ground/faults":
            if method == "PUT":
                ground.faults.plan = msgspec.json.decode(await request.body.read(1 << 20), type=list[Fault])
            return _json(200, ground.faults.plan)
        if path == "/_ground/services":
            return _json(200, coverage(ground))
        if (page := await _page_of_room(ground, request)) is not None:
            return page
    except SignatureError as error:
        said = refusals.refusal(error, "json")
        return _json(said.status, {"message": said.message})
    except (ValueError, msgspec.MsgspecError) as error:
        return _json(400, {"message": str(error)})
    return _json(404, {"message": f"{path} is not part of this server's API; see `ground --help`"})


async def _page_of_room(ground: Ground, request: HttpRequest) -> HttpResponse | None:
    """Below `/_ground/SERVICE/`, or `/_aws/SERVICE/` as scripts written for LocalStack have it; None if the room shows nothing there."""
    service = request.path.split("/")[2]
    function = ground.rooms.get(service).endpoints.get("ground") if service in ground.rooms else None
    if function is None:
        return None
    account = request.query.get("accountId", [ACCOUNT_DEFAULT])[0]
    region = request.query.get("region", [ground.settings.region])[0]
    call = Call(ground, ground.rooms.get(service), "ground", account, region, ANONYMOUS, http=request)
    return await function(call, request)  # type: ignore[no-any-return]


def health(ground: Ground, localstack: bool = False) -> dict[str, Any]:
    services = dict.fromkeys(sorted(ground.rooms.names), "available")
    return {"status": "ok", "version": groundcloud.__version__, "services": services, **({"edition": "community"} if localstack else {})}


def clock(ground: Ground) -> dict[str, Any]:
    now_ms, frozen_ns = ground.clock.now_ms(), ground.clock.frozen_ns
    offset_ns = ground.clock.offset_ns if frozen_ns is None else frozen_ns - ground.clock.real_ns()
    return {
        "now": timestamps.iso8601_milliseconds(now_ms / 1000),
        "now_ms": now_ms,
        "offset_ms": offset_ns // 1_000_000,
        "frozen": frozen_ns is not None,
    }


def coverage(ground: Ground) -> dict[str, dict[str, bool]]:
    """Each service's operations and whether they are implemented."""
    found = {}
    for name in ground.rooms.names:
        room = ground.rooms.get(name)
        found[name] = {operation: operation in room.operations for operation in room.model.operation_names}
    return found


async def _move_clock(ground: Ground, body: bytes) -> dict[str, Any]:
    wish = msgspec.json.decode(body) if body else {}
    if not isinstance(wish, dict) or not wish:
        raise ValueError('say what to do: {"advance": "15m"}, {"to": ISO time}, {"freeze": true}, {"resume": true} or {"settle": true}')
    settled = True
    if wish.get("freeze"):
        ground.clock.freeze()
    if wish.get("resume"):
        ground.clock.resume()
    target_ms = None
    if "advance" in wish:
        target_ms = ground.clock.now_ms() + duration_ms(str(wish["advance"]))
    elif "to" in wish:
        target_ms = int(timestamps.parse(wish["to"]) * 1000)
        if target_ms < ground.clock.now_ms():
            raise ValueError("time only goes forward")
    if target_ms is not None and target_ms > FURTHEST_MS:
        raise ValueError("time goes no further than 2262-01-01")
    if target_ms is not None:
        settled = await ground.timers.advance_to(target_ms, SETTLE_TIMEOUT_S)
    elif wish.get("settle"):
        settled = await ground.timers.settle(SETTLE_TIMEOUT_S)
    ground.save_clock()
    await ground.store.durable()
    return {**clock(ground), "settled": settled}


def _why(ground: Ground, request_id: str) -> HttpResponse:
    decisions = ground.decisions.of(request_id)
    if not decisions:
        return _json(
            404,
            {
                "message": f"No decision is kept for the request {request_id!r}: the server keeps the latest 4,096, in memory, and none for an account's root."
            },
        )
    return _json(
        200,
        {
            "request_id": request_id,
            "decisions": [
                {
                    "action": d.action,
                    "resource": d.resource,
                    "allowed": d.allowed,
                    "kind": d.kind,
                    "policy": d.policy,
                    "sid": d.sid,
                }
                for d in decisions
            ],
            "text": "\n\n".join(decision.text for decision in decisions),
        },
    )


async def _admit(ground: Ground, request: HttpRequest) -> None:
    """Raises SignatureError or ValueError unless this client may use the API."""
    if "origin" in request.headers and request.headers["origin"] != f"{request.scheme}://{request.host}":
        raise ValueError("web pages of other origins may not use this API")
    if ground.settings.loopback:
        name = request.host if request.host.endswith("]") else request.host.rsplit(":", 1)[0]
        if name not in LOOPBACK_NAMES and not name.endswith(".localhost"):
            raise ValueError(f"this API answers on localhost alone, not for {name!r}")
        return
    signature = sigv4.parse_authorization(request.headers, request.query_string)
    if signature is None:
        raise SignatureError("missing")
    body = await request.body.read(1 << 20)
    import hashlib

    identity = ground.identities.resolve(
        ground.store.transaction(), ground.directory, signature.access_key_id, signature.session_token, ground.clock.now_s()
    )
    digest = signature.payload_hash or hashlib.sha256(body).hexdigest()
    if digest != hashlib.sha256(body).hexdigest():
        raise SignatureError("payload-mismatch", client=digest, computed=hashlib.sha256(body).hexdigest())
    sigv4.verify(
        signature, identity.secret, request.method, request.signed_path, request.query_string, request.headers, digest, time.time()
    )
    if identity.principal.kind != "root":
        raise ValueError("only the account's root may use this API")


def _json(status: int, value: Any) -> HttpResponse:
    return HttpResponse(status, [("content-type", "application/json")], msgspec.json.encode(value))
