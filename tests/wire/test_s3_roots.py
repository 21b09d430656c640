"""Answers of S3 have the root elements of its API reference."""

from __future__ import annotations

import pytest

from groundcloud.wire import codec, model


@pytest.mark.parametrize(
    ("operation", "result", "text"),
    [
        (
            "ListObjectsV2",
            {"Name": "b"},
            b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name></ListBucketResult>',
        ),
        (
            "GetBucketLocation",
            {"LocationConstraint": "eu-west-1"},
            b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-1</LocationConstraint>',
        ),
        ("GetBucketLocation", {"LocationConstraint": ""}, b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'),
    ],
)
def test_an_answer_has_its_root(operation: str, result: dict[str, str], text: bytes) -> None:
    response = codec.Codecs(model.load("s3")).get(operation, "rest-xml").serialize(result, "id")
    assert bytes(response.body).endswith(text)  # type: ignore[arg-type]


def test_a_part_of_an_object_is_answered_206() -> None:
    codecs = codec.Codecs(model.load("s3"))
    assert codecs.get("GetObject", "rest-xml").serialize({"ContentRange": "bytes 0-0/1", "Body": b"x"}, "id").status == 206


def test_an_error_carries_its_headers_and_304_no_body() -> None:
    from groundcloud.services.s3 import errors

    found = codec.Codecs(model.load("s3")).get("GetObject", "rest-xml")
    response = found.error(errors.not_modified({"etag": '"x"'}), "id")
    assert (response.status, response.body) == (304, b"")
    assert ("etag", '"x"') in response.headers
