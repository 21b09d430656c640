"""Addresses in outputs."""

import pytest

from groundcloud.cli import addresses
from groundcloud.cli.connection import Connection

HERE = Connection("http://localhost:4700", "us-east-1", "test", "test")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://abc.execute-api.eu-west-1.amazonaws.com/prod/x", "http://abc.execute-api.eu-west-1.localhost:4700/prod/x"),
        ("arn:aws:sqs:us-east-1:000000000000:orders", "arn:aws:sqs:us-east-1:000000000000:orders"),
    ],
)
def test_an_api_is_shown_where_it_is_here(value, shown):
    assert addresses.local_url(value, HERE) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://abc.execute-api.us-east-1.localhost:4700/prod/x?y=1", "http://localhost:4700/_aws/execute-api/abc/prod/x?y=1"),
        ("http://abc.execute-api.us-east-1.localhost:4700", "http://localhost:4700/_aws/execute-api/abc/"),
        ("http://abc.lambda-url.us-east-1.localhost:4700/", "http://localhost:4700/_aws/lambda-url/abc/"),
        ("http://localhost:4700/000000000000/orders", None),
        ("see http://abc.execute-api.us-east-1.localhost:4700", None),
    ],
)
def test_an_address_by_name_has_one_by_path_where_names_do_not_resolve(monkeypatch, value, shown):
    monkeypatch.setattr(addresses, "names_resolve", lambda: False)
    assert addresses.by_path(value, HERE) == shown
    monkeypatch.setattr(addresses, "names_resolve", lambda: True)
    assert addresses.by_path(value, HERE) is None
