"""Multi-Region Access Points: create, describe, get, list, delete; their policies and routes."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors, multi_region, policies
from groundcloud.services.s3.access_points import AccessPoint, arn_of
from groundcloud.services.s3.control.access_points import BLOCKS, block_of_document
from groundcloud.services.s3.multi_region import ACTIVE, MULTI_REGION_POINTS, NOWHERE, REQUESTS, MultiRegionPoint, Request
from groundcloud.services.s3.state import BUCKETS
from groundcloud.store import Transaction

HOME = "us-west-2"
"""Where AWS keeps all of them."""
_ALIAS_LENGTH = 13
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _point_arn(call: Call, request: dict[str, Any]) -> str:
    name = request.get("Name") or request["Details"]["Name"]
    point = MULTI_REGION_POINTS.get(call.reading(), request["AccountId"], name)
    return point.arn if point is not None else arn_of(request["AccountId"], NOWHERE, "*")


def _route_arn(call: Call, request: dict[str, Any]) -> str:
    mrap = str(request["Mrap"])
    return mrap if mrap.startswith("arn:") else arn_of(request["AccountId"], NOWHERE, mrap)


def _check_account(call: Call, request: dict[str, Any]) -> None:
    if request["AccountId"] != call.account:
        raise errors.access_denied()


def _token_of(request: dict[str, Any], operation_name: str) -> str:
    return hashlib.sha256(f"{operation_name} {request['ClientToken']}".encode()).hexdigest()[:32]


def _token_arn(token: str, account: str) -> str:
    return f"arn:aws:s3:{HOME}:{account}:async-request/mrap/{token}"


def _asked(call: Call, request: dict[str, Any], name: str, regions: tuple[str, ...]) -> dict[str, Any]:
    """Writes down what was asked for; the answer."""
    token = f"{name.lower()}/{_token_of(request, name)}"
    details = request["Details"]
    REQUESTS.put(
        call.tx, Request(account=call.account, token=token, operation=name, created_ms=call.now_ms, parameters=details, regions=regions)
    )
    return {"RequestTokenARN": _token_arn(token, call.account)}


def _asked_before(call: Call, request: dict[str, Any], name: str) -> dict[str, Any] | None:
    token = f"{name.lower()}/{_token_of(request, name)}"
    return {"RequestTokenARN": _token_arn(token, call.account)} if REQUESTS.has(call.tx, call.account, token) else None


@operation(resource=_point_arn)
def create_multi_region_access_point(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_account(call, request)
    if (known := _asked_before(call, request, "CreateMultiRegionAccessPoint")) is not None:
        return known
    details = request["Details"]
    name = details["Name"]
    if MULTI_REGION_POINTS.has(call.tx, call.account, name):
        raise errors.S3Error(
            "MultiRegionAccessPointAlreadyOwnedByYou",
            "Your previous request to create the named Multi-Region Access Point succeeded and you already own it.",
            409,
        )
    if len(list(islice(MULTI_REGION_POINTS.keys(call.tx, call.account), multi_region.POINTS_MAX))) >= multi_region.POINTS_MAX:
        raise errors.S3Error(
            "TooManyMultiRegionAccessPoints", "You have reached the limit of Multi-Region Access Points for this account.", 400
        )
    routes = _routes(call.tx, details["Regions"], call.account)
    alias = f"{''.join(call.random.choices(_LETTERS, k=_ALIAS_LENGTH))}.mrap"
    point = MultiRegionPoint(account=call.account, name=name, alias=alias, created_ms=call.now_ms, routes=routes)
    block = details.get("PublicAccessBlock")
    access = AccessPoint(
        account=call.account,
        region=NOWHERE,
        name=alias,
        bucket_name="",
        bucket_account="",
        alias=alias,
        created_ms=call.now_ms,
        access_block=block_of_document(block) if block is not None else (True, True, True, True),
    )
    multi_region.put(call.tx, point, access)
    return _asked(call, request, "CreateMultiRegionAccessPoint", tuple(route[1] for route in routes))


def _routes(tx: Transaction, wanted: list[dict[str, Any]], account: str) -> tuple[tuple[str, str, str, int], ...]:
    """Raises NoSuchBucket, AccessDenied, InvalidRequest."""
    if not 1 <= len(wanted) <= multi_region.REGIONS_MAX:
        raise errors.invalid_request(f"A Multi-Region Access Point has between 1 and {multi_region.REGIONS_MAX} Regions.")
    found: list[tuple[str, str, str, int]] = []
    for one in wanted:
        bucket = BUCKETS.get(tx, one["Bucket"])
        if bucket is None:
            raise errors.no_such_bucket(one["Bucket"])
        if bucket.account != one.get("BucketAccountId", account):
            raise errors.access_denied()
        if any(bucket.region == route[1] for route in found):
            raise errors.invalid_request("A Multi-Region Access Point can't have more than one bucket in the same Region.")
        found.append((bucket.bucket_name, bucket.region, bucket.account, ACTIVE))
    return tuple(found)


@operation(resource=_point_arn)
def delete_multi_region_access_point(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_account(call, request)
    if (known := _asked_before(call, request, "DeleteMultiRegionAccessPoint")) is not None:
        return known
    point = multi_region.load(call.tx, call.account, request["Details"]["Name"])
    multi_region.delete(call.tx, point)
    return _asked(call, request, "DeleteMultiRegionAccessPoint", tuple(route[1] for route in point.routes))


@operation(resource="*")
def describe_multi_region_access_point_operation(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_account(call, request)
    token_arn = request["RequestTokenARN"]
    found = REQUESTS.get(call.tx, call.account, token_arn.partition("async-request/mrap/")[2])
    if found is None:
        raise errors.S3Error("NoSuchAsyncRequest", "The specified async request does not exist.", 404, {"RequestTokenARN": token_arn})
    return {
        "AsyncOperation": {
            "CreationTime": found.created_ms // 1000,
            "Operation": found.operation,
            "RequestTokenARN": token_arn,
            "RequestParameters": {f"{found.operation}Request": found.parameters},
            "RequestStatus": "SUCCEEDED",
            "ResponseDetails": {
                "MultiRegionAccessPointDetails": {"Regions": [{"Name": name, "RequestStatus": "SUCCEEDED"} for name in found.regions]}
            },
        }
    }


def _shown(tx: Transaction, point: MultiRegionPoint) -> dict[str, Any]:
    return {
        "Name": point.name,
        "Alias": point.alias,
        "CreatedAt": point.created_ms // 1000,
        "PublicAccessBlock": dict(zip(BLOCKS, multi_region.access_of(tx, point).access_block, strict=True)),
        "Status": "READY",
        "Regions": [{"Bucket": name, "Region": region, "BucketAccountId": account} for name, region, account, _ in point.routes],
    }


@operation(resource=_point_arn)
def get_multi_region_access_point(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_account(call, request)
    return {"AccessPoint": _shown(call.tx, multi_region.load(call.tx, call.account, request["Name"]))}


@operation(resource="*")
def list_multi_region_access_points(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_account(call, request)
    return {"AccessPoints": [_shown(call.tx, point) for point in MULTI_REGION_POINTS.scan(call.tx, call.account)]}


# Policies


@operation(resource=_point_arn)
def put_multi_region_access_point_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_account(call, request)
    point = multi_region.load(call.tx, call.account, request["Details"]["Name"])
    text = policies.check(point.arn, f"{point.arn}/object", request["Details"]["Policy"])
    access = multi_region.access_of(call.tx, point)
    if access.access_block[2] and policies.is_public(text):
        raise errors.access_denied_because(
            f'User: {call.principal.arn} is not authorized to perform: s3:PutMultiRegionAccessPointPolicy on resource: "{point.arn}" because public '
            "policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
        )
    multi_region.put(call.tx, point, access.replace(policy=text))
    return _asked(call, request, "PutMultiRegionAccessPointPolicy", tuple(route[1] for route in point.routes))


def _policy(call: Call, request: dict[str, Any]) -> str:
    _check_account(call, request)
    point = multi_region.load(call.tx, call.account, request["Name"])
    text = multi_region.access_of(call.tx, point).policy
    if not text:
        sentence = "The specified Multi-Region Access Point does not have a policy"
        raise errors.S3Error("NoSuchMultiRegionAccessPointPolicy", sentence, 404, {"MultiRegionAccessPointName": point.name})
    return text


@operation(resource=_point_arn)
def get_multi_region_access_point_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    text = _policy(call, request)
    return {"Policy": {"Established": {"Policy": text}, "Proposed": {"Policy": text}}}


@operation(resource=_point_arn)
def get_multi_region_access_point_policy_status(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Established": {"IsPublic": policies.is_public(_policy(call, request))}}


# Routes


def _routed(call: Call, request: dict[str, Any]) -> MultiRegionPoint:
    _check_account(call, request)
    alias = _route_arn(call, request).partition("accesspoint")[2][1:]
    return multi_region.by_alias(call.tx, call.account, alias)


@operation(resource=_route_arn)
def get_multi_region_access_point_routes(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    point = _routed(call, request)
    return {
        "Mrap": point.arn,
        "Routes": [{"Bucket": name, "Region": region, "TrafficDialPercentage": dial} for name, region, _, dial in point.routes],
    }


@operation(resource=_route_arn)
def submit_multi_region_access_point_routes(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    point = _routed(call, request)
    routes = list(point.routes)
    for update in request["RouteUpdates"]:
        named, region, dial = update.get("Bucket"), update.get("Region"), update["TrafficDialPercentage"]
        if named is None and region is None:
            raise errors.invalid_request("Either the Bucket or the Region must be provided.")
        if dial not in (0, ACTIVE):
            raise errors.invalid_request("TrafficDialPercentage must be 0 or 100.")
        at = [place for place, route in enumerate(routes) if named in (None, route[0]) and region in (None, route[1])]
        if not at:
            raise errors.invalid_request("The Multi-Region Access Point has no such Region or bucket.")
        routes[at[0]] = (*routes[at[0]][:3], dial)
    if all(route[3] != ACTIVE for route in routes):
        raise errors.invalid_request("At least one Region must be active.")
    MULTI_REGION_POINTS.put(call.tx, point.replace(routes=tuple(routes)))
    return {}
