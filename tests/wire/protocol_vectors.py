"""The public AWS protocol vectors, as cases that a server can hold: requests are parsed, results and errors are serialised.

`../shared/vectors/protocols` has what a client sends and reads (botocore's protocol tests, from Smithy's). An input case is run backwards:
the serialised request must parse to the parameters. An output case is run backwards and forwards again: the result is serialised here and
read by botocore's own parser, which must give the same result.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore import parsers
from botocore.compat import HTTPHeaders
from botocore.model import ServiceModel
from lxml import etree

from groundcloud.base.errors import AwsError
from groundcloud.wire.codec import Codec, Codecs
from groundcloud.wire.message import HttpRequest, HttpResponse
from groundcloud.wire.model import Model
from groundcloud.wire.route import Router

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "protocols"

_NO_BODY = "the vector gives no compressed body; tests of wire.message hold what it means"
_EMPTY_OR_ABSENT = "clients send `{}` for an absent payload and for an empty one; it is read as empty"
NOT_FOR_SERVERS: dict[str, str] = {
    "SDKAppliedContentEncoding_awsJson1_1": _NO_BODY,
    "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1": _NO_BODY,
    "SDKAppliedContentEncoding_awsJson1_0": _NO_BODY,
    "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0": _NO_BODY,
    "SDKAppliedContentEncoding_awsQuery": _NO_BODY,
    "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery": _NO_BODY,
    "SDKAppliedContentEncoding_restJson1": _NO_BODY,
    "SDKAppendedGzipAfterProvidedEncoding_restJson1": _NO_BODY,
    "SDKAppliedContentEncoding_restXml": _NO_BODY,
    "SDKAppendedGzipAfterProvidedEncoding_restXml": _NO_BODY,
    "QueryEmptyQueryMaps": "clients send nothing for an empty map",
    "RestJsonHttpWithEmptyStructurePayload": _EMPTY_OR_ABSENT,
    "RestJsonHttpWithHeadersButNoPayload": _EMPTY_OR_ABSENT,
}
"""Input cases that cannot hold in a server, by their id, with the reason."""


class Case(NamedTuple):
    file: str
    direction: str
    suite: dict[str, Any]
    case: dict[str, Any]

    @property
    def protocol(self) -> str:
        return str(self.suite["metadata"]["protocol"])

    @property
    def id(self) -> str:
        return f"{self.direction}-{self.file}-{self.case['id']}"


@lru_cache(maxsize=1)
def cases() -> list[Case]:
    """Every case of the folder; empty where the folder is absent."""
    return [
        Case(path.stem, direction, suite, case)
        for direction in ("input", "output")
        for path in sorted((FOLDER / direction).glob("*.json"))
        for suite in json.loads(path.read_text())
        for case in suite["cases"]
    ]


def run(case: Case) -> None:
    """Raises AssertionError (or whatever the codec raises) if the case does not hold."""
    given = case.case["given"]
    raw = {"metadata": case.suite["metadata"], "shapes": case.suite["shapes"], "operations": {given["name"]: given}}
    model = Model("vectors", raw)
    codec = Codecs(model).get(given["name"], case.protocol)
    if case.direction == "input":
        _parse(case, model, codec)
    elif "error" in case.case:
        _error(case, raw, codec)
    else:
        _result(case, raw, codec)


def _parse(case: Case, model: Model, codec: Codec) -> None:
    sent = case.case["serialized"]
    raw_path, _, query_string = sent["uri"].partition("?")
    endpoint_path = urlsplit(case.suite.get("clientEndpoint", "")).path.rstrip("/")
    raw_path = raw_path.removeprefix(endpoint_path) or "/"
    body = sent.get("body") or ""
    content = base64.b64decode(body) if case.protocol == "smithy-rpc-v2-cbor" else body.encode()
    headers = {name.lower(): value for name, value in sent.get("headers", {}).items()}
    request = HttpRequest(sent["method"], raw_path, query_string, headers, content)
    labels: dict[str, str] = {}
    if case.protocol.startswith("rest"):
        found = Router(model).match(request)
        assert found is not None, f"no operation at {sent['method']} {sent['uri']}"
        labels = found[1]
    params = asyncio.run(_params(codec, request, labels))
    codec.check(params)
    expected = inside(model, codec.operation.input_shape, case.case.get("params") or {})
    if codec.operation.input_shape is not None:
        members = model.shapes[codec.operation.input_shape]["members"]
        params, expected = _as_sent(model, members, params, expected), _as_sent(model, members, expected, expected)
    same(params, expected)


def _as_sent(model: Model, members: dict[str, Any], params: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Without what a client leaves out (nulls; empty lists and maps in headers and query) or adds by itself (idempotency tokens)."""
    named = {reference.get("locationName", member) for member, reference in members.items() if reference.get("location") == "querystring"}
    out = {}
    for member, value in params.items():
        reference = members[member]
        located = reference.get("location")
        if located == "querystring" and model.shapes[reference["shape"]]["type"] == "map":
            # Vectors disagree on whether a map of the query holds the named parameters too.
            value = {key: item for key, item in value.items() if key not in named}
        token = reference.get("idempotencyToken") or model.shapes[reference["shape"]].get("idempotencyToken")
        if value is None or (located in ("header", "headers", "querystring") and value in ([], {})) or (token and member not in given):
            continue
        out[member] = value
    return out


async def _params(codec: Codec, request: HttpRequest, labels: dict[str, str]) -> dict[str, Any]:
    params = await codec.parse(request, labels)
    for name, value in params.items():
        if hasattr(value, "read"):
            params[name] = await value.read()
    return params


def _result(case: Case, raw: dict[str, Any], codec: Codec) -> None:
    result = inside(codec.model, codec.operation.output_shape, case.case["result"])
    response = codec.serialize(result, "an-id")
    try:
        _same_to_botocore(case, raw, codec, result, response)
    except (AssertionError, parsers.ResponseParserError):
        if case.case["id"] not in _misread_by_botocore(case.file):
            raise
        _same_on_the_wire(response, case.case["response"], namespaces="xmlNamespace" in codec.model.metadata or case.protocol != "query")


def _same_to_botocore(case: Case, raw: dict[str, Any], codec: Codec, result: dict[str, Any], response: HttpResponse) -> None:
    parsed = read_by_botocore(raw, codec.operation.name, response)
    parsed.pop("ResponseMetadata", None)
    shape = codec.model.shapes.get(codec.operation.output_shape or "", {"members": {}})
    for member, reference in shape["members"].items():
        if (
            member == shape.get("payload")
            and isinstance(parsed.get(member), str)
            and codec.model.shapes[reference["shape"]]["type"] == "blob"
        ):
            parsed[member] = parsed[member].encode()  # botocore decodes a payload that is not streamed
            if not parsed[member] and member not in result:
                del parsed[member]
        elif reference.get("location") == "headers" and not reference.get("locationName"):
            parsed[member] = {
                key: item for key, item in parsed[member].items() if key in result[member]
            }  # the prefix "" takes every header
    same(parsed, inside(codec.model, codec.operation.output_shape, case.case["result"]))


def _error(case: Case, raw: dict[str, Any], codec: Codec) -> None:
    fields = dict(case.case["error"])
    message = case.case.get("errorMessage") or ""
    for name in [name for name in fields if name.lower() == "message"]:
        del fields[name]
    wanted_status = case.case["response"]["status_code"]
    # Of a service that once spoke query, botocore's model has the query protocol's status alone.
    status = wanted_status if "awsQueryCompatible" in codec.model.metadata else None
    response = codec.error(AwsError(case.case["errorCode"], message, status=status, fields=fields), "an-id")
    assert response.status == wanted_status
    parsed = read_by_botocore(raw, codec.operation.name, response, case.case["errorCode"])
    same([parsed["Error"]["Code"], parsed["Error"].get("Message") or ""], [case.case["errorCode"], message])
    same({name: parsed.get(name) for name in fields}, fields)


def read_by_botocore(raw: dict[str, Any], operation_name: str, response: HttpResponse, error_code: str = "") -> dict[str, Any]:
    """The response as botocore's parser of the model's protocol reads it."""
    service = ServiceModel(raw, "vectors")
    operation = service.operation_model(operation_name)
    parser = parsers.create_parser(service.resolved_protocol if hasattr(service, "resolved_protocol") else service.protocol)
    headers = HTTPHeaders()
    for name, value in response.headers:
        headers[name] = value
    received = {
        "status_code": response.status,
        "headers": headers,
        "body": asyncio.run(_whole(response)),
        "context": {"operation_name": operation_name},
    }
    parsed: dict[str, Any] = parser.parse(received, operation.output_shape)
    if error_code:
        for shape in service.error_shapes:
            if shape.name == error_code or shape.error_code == error_code:
                parsed.update(parser.parse(received, shape))
    return parsed


async def _whole(response: HttpResponse) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([chunk async for chunk in response.body])


@lru_cache(maxsize=1)
def _ignored() -> dict[str, Any]:
    ignored: dict[str, Any] = json.loads((FOLDER / "ignored-by-clients.json").read_text())
    return ignored


def _misread_by_botocore(file: str) -> list[str]:
    cases: list[str] = (
        _ignored()["protocols"].get(file.replace("-", "_") if file.startswith("json") else file, {}).get("output", {}).get("cases", [])
    )
    return cases


def _same_on_the_wire(response: HttpResponse, wanted: dict[str, Any], *, namespaces: bool) -> None:
    """For the results that botocore itself cannot read: the very bytes, but for order and white space."""
    headers = dict(response.headers)
    body = asyncio.run(_whole(response))
    assert response.status == wanted["status_code"]
    for name, value in wanted.get("headers", {}).items():
        if name.lower() not in ("content-length", "content-type"):
            same(headers.get(name.lower()), value)
    text = wanted.get("body", "")
    if text.startswith("<"):
        same(_canonical(etree.fromstring(body), namespaces), _canonical(etree.fromstring(text.encode()), namespaces))
    elif text.startswith("{"):
        same(json.loads(body), json.loads(text))
    else:
        same(body, text.encode())


def _canonical(node: Any, namespaces: bool) -> Any:
    if node.tag.endswith("ResponseMetadata"):
        return None
    if not namespaces and len(node) and node[0].tag.endswith("Result"):
        node = node[0]  # these fragments of models leave the query protocol's wrapper out
    tag = node.tag if namespaces else etree.QName(node).localname.removesuffix("Response").removesuffix("Result")
    return [
        tag,
        sorted(node.attrib.items()),
        (node.text or "").strip(),
        [item for child in node if (item := _canonical(child, namespaces))],
    ]


def inside(model: Model, shape_name: str | None, value: Any) -> Any:
    """A value as the vectors' JSON writes it, in the types that operations see: blobs as bytes, non-finite numbers as floats."""
    if shape_name is None or value is None:
        return value
    shape = model.shapes[shape_name]
    kind = shape["type"]
    if kind == "structure" and not shape.get("document"):
        return {
            name: json.loads(item) if shape["members"][name].get("jsonvalue") else inside(model, shape["members"][name]["shape"], item)
            for name, item in value.items()
        }
    if kind == "list":
        return [inside(model, shape["member"]["shape"], item) for item in value]
    if kind == "map":
        return {key: inside(model, shape["value"]["shape"], item) for key, item in value.items()}
    if kind == "blob":
        return value.encode()
    if kind in ("float", "double"):
        return float(value)
    return value


def comparable(value: Any) -> Any:
    """The same for values that mean the same: moments as seconds, NaN as text."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return value


def same(got: Any, wanted: Any) -> None:
    got, wanted = comparable(got), comparable(wanted)
    assert got == wanted, f"{got!r} is not {wanted!r}"


def verdicts() -> Iterator[tuple[Case, str]]:
    """Each case with "" if it holds, else the reason why not."""
    for case in cases():
        if case.case["id"] in NOT_FOR_SERVERS:
            yield case, NOT_FOR_SERVERS[case.case["id"]]
            continue
        try:
            run(case)
        except Exception as error:
            yield case, f"{type(error).__name__}: {error}"
        else:
            yield case, ""
