"""Multi-Region Access Points: one name for buckets in several regions, and the dials that say which of them has the traffic.

A request by the point's ARN or alias goes to the bucket of the caller's own region where that is active, else to the first active one in the order in
which the buckets were named. The point itself (its policy, its public access block) rests among the access points, in no region.
What AWS does in minutes is done at once: a request's token says that it has succeeded.
Differs: SDKs make an address below amazonaws.com of the ARN, whatever endpoint they are given; here the alias goes where a bucket's name does.
AWS: "Managing multi-Region traffic with Multi-Region Access Points", "Amazon S3 Multi-Region Access Points routing states".
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.s3 import errors
from groundcloud.services.s3.access_points import ALIASES, POINTS, AccessPoint, arn_of
from groundcloud.services.s3.state import BUCKETS, Bucket
from groundcloud.store import Record, Table, Transaction

NOWHERE = ""
"""The region of such a point in its ARN and among the access points."""
POINTS_MAX = 100
REGIONS_MAX = 17
ACTIVE = 100


class MultiRegionPoint(Record, kw_only=True):
    account: str
    name: str
    alias: str
    created_ms: int
    routes: tuple[tuple[str, str, str, int], ...]
    """(bucket, region, the bucket's account, traffic dial: 0 or 100)."""

    @property
    def arn(self) -> str:
        return arn_of(self.account, NOWHERE, self.alias)


class Request(Record, kw_only=True):
    """Something that was asked for and, on AWS, takes a while."""

    account: str
    token: str
    operation: str
    created_ms: int
    parameters: dict[str, Any]
    regions: tuple[str, ...]


MULTI_REGION_POINTS = Table("s3/multi-region-points", MultiRegionPoint, key=("account", "name"), scope="global")
REQUESTS = Table("s3/multi-region-requests", Request, key=("account", "token"), scope="global")


def no_such_point(name: str) -> errors.S3Error:
    sentence = "The specified Multi-Region Access Point does not exist"
    return errors.S3Error("NoSuchMultiRegionAccessPoint", sentence, 404, {"MultiRegionAccessPointName": name})


def load(tx: Transaction, account: str, name: str) -> MultiRegionPoint:
    """Raises NoSuchMultiRegionAccessPoint."""
    point = MULTI_REGION_POINTS.get(tx, account, name)
    if point is None:
        raise no_such_point(name)
    return point


def by_alias(tx: Transaction, account: str, alias: str) -> MultiRegionPoint:
    """Raises NoSuchMultiRegionAccessPoint."""
    known = ALIASES.get(tx, alias)
    if known is None or known[0] != account:
        raise no_such_point(alias)
    return load(tx, account, known[2])


def put(tx: Transaction, point: MultiRegionPoint, access: AccessPoint) -> None:
    MULTI_REGION_POINTS.put(tx, point)
    POINTS.put(tx, access)
    ALIASES.put(tx, point.alias, (point.account, NOWHERE, point.name))


def delete(tx: Transaction, point: MultiRegionPoint) -> None:
    MULTI_REGION_POINTS.delete(tx, point.account, point.name)
    POINTS.delete(tx, point.account, NOWHERE, point.alias)
    ALIASES.delete(tx, point.alias)


def access_of(tx: Transaction, point: MultiRegionPoint) -> AccessPoint:
    found = POINTS.get(tx, point.account, NOWHERE, point.alias)
    assert found is not None
    return found


def bucket_of(tx: Transaction, alias: str, region: str) -> Bucket:
    """The bucket to which a request from `region` goes. Raises NoSuchMultiRegionAccessPoint, NoSuchBucket."""
    known = ALIASES.get(tx, alias)
    if known is None:
        raise no_such_point(alias)
    point = load(tx, known[0], known[2])
    active = [route for route in point.routes if route[3] == ACTIVE]
    name, _, account, _ = next((route for route in active if route[1] == region), active[0])
    bucket = BUCKETS.get(tx, name)
    if bucket is None or bucket.account != account:
        raise errors.no_such_bucket(name)
    found: Bucket = bucket.replace(point=point.arn)
    return found
