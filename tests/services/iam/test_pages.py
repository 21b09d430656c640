from __future__ import annotations

from base64 import urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.services.iam import pages, tags


@given(st.lists(st.text(max_size=5), unique=True, max_size=12), st.integers(1, 5))
def test_pages_give_every_item_once_and_in_order(names, size):
    names.sort()
    seen, marker = [], None
    for _ in range(len(names) + 1):
        request = {"MaxItems": size, **({"Marker": marker} if marker is not None else {})}
        after = pages.after(request)
        answer = pages.page(request, "Names", (name for name in names if after is None or name > after), str, str)
        assert len(answer["Names"]) <= size
        seen += answer["Names"]
        marker = answer.get("Marker")
        assert answer["IsTruncated"] == (marker is not None)
        if marker is None:
            break
    assert seen == names


@given(st.text(max_size=30))
def test_a_marker_is_a_key_or_refused(marker):
    try:
        pages.after({"Marker": marker})
    except AwsError as error:
        assert error.message == "Invalid Marker."


def test_a_key_of_several_parts_comes_back():
    answer = pages.page({"MaxItems": 1}, "Items", [("a", 1), ("b", 2)], lambda pair: pair, list)
    assert pages.after({"Marker": answer["Marker"]}, str, int) == ("a", 1)


@pytest.mark.parametrize("key", [None, 1.5, -1, 2**63, {"a": 1}, [], ["a"], ["a", 1, 2], [1, "a"], ["a", True], b"x", "a"])
def test_a_forged_marker_is_refused(key):
    marker = urlsafe_b64encode(msgspec.msgpack.encode(key)).decode()
    with pytest.raises(AwsError, match="Invalid Marker"):
        pages.after({"Marker": marker}, str, int)


TAGS = st.lists(st.tuples(st.sampled_from("aAbBc"), st.text(max_size=3)), max_size=3, unique_by=lambda pair: pair[0].lower())


@given(TAGS, TAGS)
def test_tags_replace_one_another_whatever_their_case(old, new):
    merged = tags.merged(dict(old), [{"Key": key, "Value": value} for key, value in new])
    lower = {key.lower(): value for key, value in merged.items()}
    assert lower == {key.lower(): value for key, value in [*old, *new]}
    assert len(lower) == len(merged)


def test_tags_of_aws_are_refused():
    with pytest.raises(AwsError, match="reserved"):
        tags.merged({}, [{"Key": "aws:x", "Value": "y"}])
