"""What a Python function answers as a custom resource reaches the platform, by HTTPS as well."""

from __future__ import annotations

from typing import Any

import pytest
from tests.runtime.test_node_redirect import platform  # noqa: F401

ANSWER = "/?Action=RecordHandlerProgress&BearerToken=x"
SOURCE = """
import http.client, json
from urllib.parse import urlsplit
def handler(event, context):
    url = urlsplit(event["url"])
    host = url.hostname if event["way"] == "host" else url.netloc
    connection = getattr(http.client, event.get("class", "HTTPSConnection"))(host, timeout=3)
    try:
        connection.request("POST", event["path"], "body", {"content-type": ""})
        return json.load(connection.getresponse())
    except OSError as error:
        return type(error).__name__
"""


@pytest.mark.parametrize("way", ["host", "address"])
def test_an_answer_by_https_is_sent_as_the_platform_speaks(house: Any, platform: str, way: str) -> None:  # noqa: F811
    spec = house.function(SOURCE, endpoint_url=platform)
    assert house.answer(spec, {"way": way, "url": platform, "path": ANSWER}) == ["POST", platform.removeprefix("http://"), ANSWER, "body"]


def test_other_requests_by_https_stay_so(house: Any, platform: str) -> None:  # noqa: F811
    spec = house.function(SOURCE, endpoint_url=platform)
    assert house.answer(spec, {"way": "host", "url": platform, "path": "/"}) == "ConnectionRefusedError"
    assert house.answer(spec, {"way": "address", "url": platform, "path": "/?Action=Other"}) in ("SSLError", "ConnectionResetError")
    assert house.answer(spec, {"way": "host", "url": "https://localhost", "path": ANSWER}) == "ConnectionRefusedError"
    plain = {"way": "address", "url": platform, "path": "/x", "class": "HTTPConnection"}
    assert house.answer(spec, plain) == ["POST", platform.removeprefix("http://"), "/x", "body"]
