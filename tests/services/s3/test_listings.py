"""Listings against a model over sorted lists: pure pages by hypothesis, then the two operations over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.s3 import listing

ALPHABET = "ab/%é😀\x7f"
KEYS = st.text(ALPHABET, min_size=1, max_size=5)


def model(keys: list[str], prefix: str, delimiter: str) -> list[tuple[str, bool]]:
    """Every entry in order: (text, whether it is a common prefix)."""
    found: list[tuple[str, bool]] = []
    for key in keys:
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        one = (key, False) if at < 0 else (key[: at + len(delimiter)], True)
        if one not in found:
            found.append(one)
    return found


def scan_of(keys: list[str], cost: list[int]) -> listing.Scan[int]:
    def scan(start: str, inclusive: bool) -> Iterator[tuple[str, int]]:
        for key in keys:
            if key > start or (inclusive and key == start) or not start:
                cost[0] += 1
                yield key, 0

    return scan


@given(st.sets(KEYS, max_size=30), st.text(ALPHABET, max_size=2), st.sampled_from(["", "/", "b", "a/", "😀"]), st.integers(1, 5))
def test_pages_put_together_are_the_whole(keys: set[str], prefix: str, delimiter: str, limit: int) -> None:
    ordered = sorted(keys, key=lambda key: key.encode())
    wanted = model(ordered, prefix, delimiter)
    after, seen = "", []
    for _ in range(len(ordered) + 2):
        page = listing.page_of(scan_of(ordered, [0]), prefix, delimiter, after, limit)
        assert len(page.entries) + len(page.prefixes) <= limit
        seen += sorted([(key, False) for key, _ in page.entries] + [(one, True) for one in page.prefixes])
        if not page.truncated:
            break
        after = page.last
    assert seen == wanted
    assert not page.truncated


def test_a_listing_jumps_over_what_a_prefix_holds() -> None:
    keys = sorted(f"{folder:02}/{n:05}" for folder in range(10) for n in range(2000))
    cost = [0]
    page = listing.page_of(scan_of(keys, cost), "", "/", "", 1000)
    assert page.prefixes == [f"{folder:02}/" for folder in range(10)]
    assert cost[0] <= 10 * (listing.STEPS_BEFORE_JUMP + 2)


@given(st.text(min_size=1, max_size=4), st.text(max_size=4), st.text(max_size=6))
def test_the_successor_is_after_everything_with_the_prefix(prefix: str, rest: str, other: str) -> None:
    beyond = listing.successor(prefix)
    if beyond is not None:
        assert prefix + rest < beyond
        if other >= prefix and not other.startswith(prefix):
            assert other >= beyond


def put(s3: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")


def test_keys_come_in_utf8_order(s3: Any, bucket: str) -> None:
    keys = ["a", "B", "é", "\uffee", "😀", "z", "a/b", "a0", "a b", "0"]
    put(s3, bucket, *keys)
    listed = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(keys, key=lambda key: key.encode())


def test_list_v2_pages(s3: Any, bucket: str, refused: Any) -> None:
    put(s3, bucket, "a/1", "a/2", "b", "c/1", "d")
    first = s3.list_objects_v2(Bucket=bucket, Delimiter="/", MaxKeys=2)
    assert [one["Prefix"] for one in first["CommonPrefixes"]] == ["a/"]
    assert [one["Key"] for one in first["Contents"]] == ["b"]
    assert (first["KeyCount"], first["MaxKeys"], first["IsTruncated"], first["Delimiter"]) == (2, 2, True, "/")
    second = s3.list_objects_v2(Bucket=bucket, Delimiter="/", ContinuationToken=first["NextContinuationToken"])
    assert [one["Prefix"] for one in second["CommonPrefixes"]] == ["c/"]
    assert [one["Key"] for one in second["Contents"]] == ["d"]
    assert second["ContinuationToken"] == first["NextContinuationToken"]
    assert "NextContinuationToken" not in second
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="a/2")
    assert [one["Key"] for one in after["Contents"]] == ["b", "c/1", "d"]
    assert after["StartAfter"] == "a/2"
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    assert "Owner" not in after["Contents"][0]
    assert len(s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]["ID"]) == 64
    error = refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=bucket, ContinuationToken="?")
    assert error["Message"] == "The continuation token provided is incorrect"
    refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=bucket, MaxKeys=-1)


def test_list_v1_pages(s3: Any, bucket: str) -> None:
    put(s3, bucket, "asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla")
    wanted = [(["asdf"], [], "asdf"), ([], ["boo/"], "boo/"), ([], ["cquux/"], None)]
    marker = ""
    for keys, prefixes, following in wanted:
        page = s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=1, Marker=marker)
        assert [one["Key"] for one in page.get("Contents", [])] == keys
        assert [one["Prefix"] for one in page.get("CommonPrefixes", [])] == prefixes
        assert (page.get("NextMarker"), page["IsTruncated"]) == (following, following is not None)
        marker = following or ""
    page = s3.list_objects(Bucket=bucket, MaxKeys=2)
    assert "NextMarker" not in page
    assert page["IsTruncated"]
    assert [one["Prefix"] for one in s3.list_objects(Bucket=bucket, Delimiter="/", Prefix="boo/")["CommonPrefixes"]] == ["boo/baz/"]


def test_keys_that_xml_cannot_hold_are_listed_encoded(s3: Any, bucket: str) -> None:
    key = "a\x01b\n&<>é +%"
    put(s3, bucket, key)
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    raw = s3.list_objects_v2(Bucket=bucket, EncodingType="url")
    assert raw["EncodingType"] == "url"
    assert raw["Contents"][0]["Key"] == "a%01b%0A%26%3C%3E%C3%A9+%2B%25"


@pytest.mark.slow
def test_a_hundred_thousand_keys_list_in_pages(s3: Any, bucket: str, ground: Any) -> None:
    import time

    from groundcloud.services.s3.state import OBJECTS, Version

    def fill() -> None:
        with ground.ground.store.transaction() as tx:
            for n in range(100_000):
                OBJECTS.put(tx, bucket, f"{n % 100:02}/{n:06}", Version(n + 1, "null", 0, 1, "0" * 32))

    fill()  # the server's thread owns the store, and is idle now
    began = time.perf_counter()
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="1"))
    assert sum(page["KeyCount"] for page in pages) == 10_000
    rolled = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert rolled["KeyCount"] == 100
    assert time.perf_counter() - began < 20
