"""A8, active-active: one application in two regions of a server. What needs Route 53 (failover by name) is the client's choice of a region here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.systems.stacks import EXAMPLES, Stack

pytestmark = pytest.mark.slow

TEMPLATE = EXAMPLES / "active-active" / "template.yaml"
HOME, PEER = "us-east-1", "eu-west-1"
LOST = {"code": "ServiceUnavailable", "message": "The region is lost.", "status": 503}


def roll_out(stacks: list[Stack], **parameters: str) -> list[dict[str, Any]]:
    """Region by region: the next begins when the one before answers."""
    outcomes = []
    for stack in stacks:
        outcomes.append(stack.deploy(TEMPLATE, Regions=",".join(one.region for one in stacks), **parameters))
        assert stack.http("GET", "/health")[0] == 200
    return outcomes


@pytest.fixture
def stacks(process: Any) -> Iterator[list[Stack]]:
    both = [Stack(process, "world", region=region) for region in (HOME, PEER)]
    roll_out(both, LagMs="5000")
    roll_out(both, Replicate="yes")
    yield both
    process.admin("PUT", "/_ground/faults", [])


def lose(server: Any, *regions: str) -> None:
    server.admin("PUT", "/_ground/faults", [{**LOST, "region": region} for region in regions])


def name_of(stack: Stack, profile_id: str) -> str | None:
    status, _, body = stack.http("GET", f"/profiles/{profile_id}")
    return json.loads(body)["name"] if status == 200 else None


def write(stack: Stack, profile_id: str, name: str) -> int:
    return stack.http("PUT", f"/profiles/{profile_id}", {"name": name})[0]


def versions(stack: Stack) -> list[tuple[str, str]]:
    listed = stack.client("s3").list_object_versions(Bucket=stack.outputs["Photos"])
    return [(found["Key"], found["VersionId"]) for found in listed.get("Versions", []) + listed.get("DeleteMarkers", [])]


def test_both_regions_write_and_the_last_writer_wins(stacks: list[Stack], process: Any) -> None:
    home, peer = stacks
    assert write(home, "a", "from home") == 200
    assert write(peer, "b", "from peer") == 200
    process.advance("4s")
    assert (name_of(home, "b"), name_of(peer, "a")) == (None, None), "the lag is five seconds"
    process.advance("2s")
    assert (name_of(home, "b"), name_of(peer, "a")) == ("from peer", "from home")
    assert json.loads(home.http("GET", "/profiles/b")[2])["written_in"] == PEER
    assert write(home, "a", "first") == write(peer, "a", "second") == 200
    assert write(peer, "b", "first") == write(home, "b", "second") == 200
    assert (name_of(home, "a"), name_of(peer, "a")) == ("first", "second"), "each region sees its own writes until then"
    process.advance("6s")
    assert {name_of(stack, key) for stack in stacks for key in "ab"} == {"second"}


def test_photos_go_both_ways_and_not_around(stacks: list[Stack], process: Any) -> None:
    home, peer = stacks
    assert home.http("PUT", "/photos/a", b"\x00home", {"content-type": "image/png"})[0] == 200
    assert peer.http("PUT", "/photos/b", b"\xffpeer", {"content-type": "image/png"})[0] == 200
    process.advance("4s")
    assert home.http("GET", "/photos/b")[0] == peer.http("GET", "/photos/a")[0] == 404
    process.advance("2s")
    status, headers, body = peer.http("GET", "/photos/a")
    assert (status, headers["content-type"], body) == (200, "image/png", b"\x00home")
    assert home.http("GET", "/photos/b")[2] == b"\xffpeer"
    process.advance("1h")
    assert len(versions(home)) == 2 and sorted(versions(home)) == sorted(versions(peer)), "one version of each, the same on both sides"
    statuses = [
        stack.client("s3").head_object(Bucket=stack.outputs["Photos"], Key=key)["ReplicationStatus"] for stack in stacks for key in "ab"
    ]
    assert statuses == ["COMPLETED", "REPLICA", "REPLICA", "COMPLETED"]
    peer.client("s3").delete_object(Bucket=peer.outputs["Photos"], Key="a")
    process.advance("6s")
    assert home.http("GET", "/photos/a")[0] == 404
    assert sorted(versions(home)) == sorted(versions(peer))


def test_a_lost_region_comes_back_and_nothing_is_lost(stacks: list[Stack], process: Any) -> None:
    home, peer = stacks
    assert write(home, "before", "home") == write(peer, "on-its-way", "peer") == 200
    peer.http("PUT", "/photos/on-its-way", b"peer")
    process.advance("1s")
    lose(process, PEER)
    assert peer.http("GET", "/health")[0] == 503
    with pytest.raises(peer.client("s3").exceptions.ClientError, match="The region is lost"):
        peer.client("dynamodb").list_tables()
    # The other one takes it all, though what the lost one had not sent stays there.
    for number in range(20):
        assert write(home, f"during-{number}", "home") == 200
        assert home.http("PUT", f"/photos/during-{number}", f"photo {number}".encode())[0] == 200
    process.advance("10m")
    assert name_of(home, "on-its-way") is None
    assert write(home, "before", "home again") == 200
    s3 = home.client("s3")
    assert s3.head_object(Bucket=home.outputs["Photos"], Key="during-0")["ReplicationStatus"] == "PENDING"
    # The lost region's plan does not outlive the server; its writes do.
    process.restart()
    lose(process, PEER)
    process.advance("10m")
    assert name_of(home, "on-its-way") is None
    lose(process)
    process.advance("20s")
    assert peer.http("GET", "/health")[0] == 200
    assert [name_of(peer, f"during-{number}") for number in range(20)] == ["home"] * 20
    assert [peer.http("GET", f"/photos/during-{number}")[2] for number in range(20)] == [f"photo {n}".encode() for n in range(20)]
    assert name_of(peer, "before") == name_of(home, "before") == "home again"
    assert name_of(home, "on-its-way") == "peer"
    assert home.http("GET", "/photos/on-its-way")[2] == b"peer"
    assert sorted(versions(home)) == sorted(versions(peer))
    s3 = home.client("s3")
    assert s3.head_object(Bucket=home.outputs["Photos"], Key="during-0")["ReplicationStatus"] == "COMPLETED"


def test_a_release_goes_region_by_region(stacks: list[Stack], process: Any) -> None:
    home, peer = stacks

    def releases() -> list[str]:
        return [stack.http("GET", "/health")[1]["x-release"] for stack in stacks]

    regions = f"{HOME},{PEER}"
    assert releases() == ["1", "1"]
    home.deploy(TEMPLATE, Regions=regions, Release="2")
    assert releases() == ["2", "1"]
    write(home, "a", "by release 2")
    process.advance("6s")
    assert name_of(peer, "a") == "by release 2"
    outcome = peer.deploy(TEMPLATE, Regions=regions, Release="2")
    assert releases() == ["2", "2"]
    assert set(outcome["changed"]) == {"Web"}, "a release touches the function alone"


def test_strong_consistency_shows_each_write_everywhere(process: Any) -> None:
    stacks = [Stack(process, "strong", region=region) for region in ("us-east-1", "us-east-2")]
    roll_out(stacks, Witness="us-west-2", LagMs="60000")
    for number in range(5):
        one, other = stacks[number % 2], stacks[1 - number % 2]
        assert write(one, "a", str(number)) == 200
        assert name_of(other, "a") == str(number)
    table = {"TableName": stacks[0].outputs["Profiles"], "Key": {"profile_id": {"S": "a"}}}
    unchanged = {"ConditionExpression": "#name = :old", "ExpressionAttributeNames": {"#name": "name"}}
    change = {"UpdateExpression": "SET #name = :new", "ExpressionAttributeValues": {":old": {"S": "4"}, ":new": {"S": "5"}}}
    stacks[0].client("dynamodb").update_item(**table, **unchanged, **change)
    dynamodb = stacks[1].client("dynamodb")
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.update_item(**table, **unchanged, **change)
    # Without one of its regions the table goes on, and the region finds all of it when it is back.
    lose(process, "us-east-2")
    assert write(stacks[0], "a", "alone") == 200
    lose(process)
    assert name_of(stacks[1], "a") == "alone"
