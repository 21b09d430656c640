#!/usr/bin/env python3
"""Calls a deployed stack as a person would, shows each call with its answer, and exits 1 if one is not as it should be.

    python smoke.py                                    the stack credit-offers, wherever AWS_ENDPOINT_URL points
    python smoke.py my-stack --endpoint http://localhost:4566
    echo '{"WebUrl": "...", ...}' | python smoke.py -  the stack's outputs on standard input

Needs the terms (seed.py) and the scoring service (scoring/server.py) in place.
"""

import http.client
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3

from seed import arguments_of, outputs_of

TIMEOUT_S = 30
SHOWN_CHARACTERS = 400


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def document(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            document = json.loads(self.text)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


@dataclass(frozen=True)
class Api:
    """One deployed API. On another endpoint than AWS its host is a name at that endpoint, which needs no DNS to be called."""

    url: str
    endpoint: str | None
    key: str | None = None

    @property
    def shown_url(self) -> str:
        if self.endpoint is None:
            return self.url
        api_id, region = _api_of(self.url)
        port = urlsplit(self.endpoint).port
        return f"{urlsplit(self.endpoint).scheme}://{api_id}.execute-api.{region}.localhost{f':{port}' if port else ''}{self._base_path}"

    @property
    def _base_path(self) -> str:
        return urlsplit(self.url).path.rstrip("/")

    def call(self, method: str, path: str, document: Any = None, headers: Mapping[str, str] | None = None) -> Answered:
        target = urlsplit(self.endpoint or self.url)
        connect = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
        connection = connect(target.hostname or "", target.port, timeout=TIMEOUT_S)
        sent = {"host": urlsplit(self.shown_url).netloc, **(headers or {})}
        if self.key:
            sent["x-api-key"] = self.key
        body = None
        if document is not None:
            body, sent["content-type"] = json.dumps(document), "application/json"
        try:
            connection.request(method, self._base_path + path, body, sent)
            answer = connection.getresponse()
            return Answered(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode())
        except (OSError, http.client.HTTPException) as error:
            return Answered(0, {}, f"no answer: {error}")
        finally:
            connection.close()


class Round:
    """The calls one after another, shown as they go, and whether each held."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def call(self, title: str, api: Api, method: str, path: str, document: Any = None, *, status: int, **headers: str) -> Answered:
        print(f"\n• {title}\n  {method} {api.shown_url}{path}{'  ' + json.dumps(document) if document is not None else ''}")
        started = time.perf_counter()
        answered = api.call(method, path, document, {name.replace("_", "-"): value for name, value in headers.items()})
        took_ms = (time.perf_counter() - started) * 1000
        text = " ".join(answered.text.split())
        print(f"  {answered.status} in {took_ms:.0f} ms  {text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + ' …'}")
        self.check(answered.status == status, f"the status is {status}")
        return answered

    def check(self, holds: bool, claim: str) -> None:
        print(f"  {'✓' if holds else '✗'} {claim}")
        if not holds:
            self.failures.append(claim)


def main() -> int:
    arguments = arguments_of(__doc__)
    endpoint = arguments.endpoint or os.environ.get("AWS_ENDPOINT_URL")
    outputs = outputs_of(arguments.stack, endpoint)
    region = _api_of(outputs["WebUrl"])[1]

    def client(service: str) -> Any:
        return boto3.client(service, endpoint_url=endpoint, region_name=region)

    key = client("apigateway").get_api_key(apiKey=outputs["PartnerKeyId"], includeValue=True)["value"]
    web, partner = Api(outputs["WebUrl"], endpoint), Api(outputs["PartnerUrl"], endpoint, key)
    run = uuid.uuid4().hex[:8]  # new applicants each time, so that nothing is answered from an earlier run
    calls = Round()
    print(f"web API      {web.shown_url}\npartner API  {partner.shown_url}")

    products = _products(calls, web, partner)
    offer = _prequalifications(calls, web, partner, products, run)
    if offer:
        _application(calls, web, offer, run)
        _kept(calls, client, outputs, offer["prequalification_id"])

    print(f"\n{len(calls.failures)} checks failed: {'; '.join(calls.failures)}" if calls.failures else "\nAll as it should be.")
    return 1 if calls.failures else 0


def _products(calls: Round, web: Api, partner: Api) -> list[dict[str, Any]]:
    listed = calls.call("List the products on the web API", web, "GET", "/products", status=200, origin="http://localhost:3000")
    products = listed.document.get("products", [])
    calls.check(len(products) >= 3, "there are products")
    calls.check("access-control-allow-origin" in listed.headers, "a web page may read the answer")
    calls.call("Only those that lend 40,000 EUR", web, "GET", "/products?amount_minor=4000000", status=200)
    calls.call("An amount that is none", web, "GET", "/products?amount_minor=much", status=400)
    keyless = Api(partner.url, partner.endpoint)
    calls.call("The partner API asks for a key", keyless, "GET", "/products", status=403)
    with_key = calls.call("List the products on the partner API", partner, "GET", "/products", status=200)
    calls.check(with_key.document.get("products") == products, "both APIs list the same")
    terms = calls.call("Read the terms of one", web, "GET", "/products/car-loan/terms", status=200)
    calls.check("<h1>Car loan" in terms.text, "they come as a page")
    return products


def _prequalifications(calls: Round, web: Api, partner: Api, products: list[dict[str, Any]], run: str) -> dict[str, Any]:
    """What to send to apply for the first offer made; empty if none was."""
    path = "/prequalifications"
    ada = _question(f"ada-{run}-780")
    offered = calls.call("Prequalify Ada, who has a good score", web, "POST", path, ada, status=201)
    offers = offered.document.get("offers", [])
    calls.check(offered.document.get("decision") == "offered" and bool(offers), "she is offered credit")
    calls.check({offer["product_id"] for offer in offers} <= {product["product_id"] for product in products}, "for products on the list")
    again = calls.call("Ask again", partner, "POST", path, ada, status=200)
    calls.check(again.document == offered.document, "the stored answer is given, on the other API too")
    declined = calls.call("Prequalify Bob, who has a poor score", partner, "POST", path, _question(f"bob-{run}-480"), status=201)
    calls.check(declined.document.get("decision") == "declined", "he is declined")
    refused = calls.call("A question that cannot be answered", web, "POST", path, {"amount_minor": -1, "colour": "red"}, status=400)
    named = refused.document.get("error", {}).get("fields", {}).keys()
    calls.check({"amount_minor", "colour", "applicant_id"} <= named, "each bad field is named")
    calls.call("The scoring service fails once and is asked again", web, "POST", path, _question(f"flaky-{run}-720"), status=201)
    down = calls.call("The scoring service is down", web, "POST", path, _question(f"down-{run}"), status=503)
    calls.check("retry-after" in down.headers, "the answer says when to ask again")
    if not offers:
        return {}
    return {"prequalification_id": offered.document.get("prequalification_id"), "product_id": offers[0]["product_id"]}


def _application(calls: Round, web: Api, offer: dict[str, Any], run: str) -> None:
    correlation_id = f"smoke-{run}"
    applied = calls.call("Apply for the cheapest offer", web, "POST", "/applications", offer, status=202, x_correlation_id=correlation_id)
    calls.check(applied.headers.get("x-correlation-id") == correlation_id, "the answer carries our correlation id")
    if applied.status != 202:
        return
    path = f"/applications/{applied.document.get('application_id')}"
    deadline = time.monotonic() + TIMEOUT_S
    while web.call("GET", path).document.get("status") != "recorded" and time.monotonic() < deadline:
        time.sleep(0.2)
    status = calls.call("See how the application stands, once it has been through the queue", web, "GET", path, status=200)
    calls.check(status.document.get("status") == "recorded", "it is recorded")


def _kept(calls: Round, client: Callable[[str], Any], outputs: dict[str, str], prequalification_id: str) -> None:
    print(f"\n• Look behind the APIs, with boto3\n  dynamodb get-item {outputs['OffersTable']} prequalification#{prequalification_id}")
    pk = {"pk": {"S": f"prequalification#{prequalification_id}"}}
    item = client("dynamodb").get_item(TableName=outputs["OffersTable"], Key=pk, ConsistentRead=True).get("Item", {})
    days = (int(item.get("expires_at", {}).get("N", "0")) - time.time()) / 86_400
    calls.check(days > 0, f"the prequalification is kept, and expires in {days:.1f} days")
    attribute = "ApproximateNumberOfMessages"
    dead = client("sqs").get_queue_attributes(QueueUrl=outputs["ApplicationsDeadLetters"], AttributeNames=[attribute])["Attributes"]
    calls.check(dead[attribute] == "0", "no application is among the dead letters")


def _question(applicant_id: str) -> dict[str, Any]:
    return {
        "applicant_id": applicant_id,
        "monthly_income_minor": 4_200_00,
        "monthly_debt_minor": 300_00,
        "amount_minor": 10_000_00,
        "term_months": 36,
    }


def _api_of(url: str) -> tuple[str, str]:
    """The API's id and region, from the host of its address."""
    named = re.match(r"https?://([^./]+)\.execute-api\.([^./]+)\.", url)
    if named is None:
        raise SystemExit(f"not the address of an API: {url}")
    return named[1], named[2]


if __name__ == "__main__":
    sys.exit(main())
