"""The functions from event to answer, over the sample events."""

import base64
import json
from pathlib import Path

import pytest

import apply
import list_products
import prequalify
import record_application
from credit_offers import products, queue, web
from credit_offers.logs import log
from credit_offers.queue import ApplicationsQueue
from credit_offers.terms import Terms

LIFETIME_S = 7 * 86_400
TERMS = Path(__file__).parents[1] / "data" / "terms"


@pytest.fixture
def time_s(now_s):
    """The time of the functions; a test changes its only element."""
    return [now_s]


@pytest.fixture
def listing(s3):
    return web.application(lambda: list_products.routes(Terms(s3, "terms")))


@pytest.fixture
def prequalifying(offers, scoring, time_s):
    return web.application(lambda: prequalify.routes(offers, scoring, LIFETIME_S, now=lambda: time_s[0]))


@pytest.fixture
def applying(offers, sqs, time_s):
    return web.application(lambda: apply.routes(offers, ApplicationsQueue(sqs, "queue"), now=lambda: time_s[0]))


@pytest.fixture
def recording(offers, time_s):
    return queue.consumer(lambda: record_application.recorder(offers, now=lambda: time_s[0]))


def answered(handler, event):
    answer = handler(event, None)
    is_json = answer["headers"]["content-type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"]) if is_json else answer["body"]


def message(application_id, message_id="m-1"):
    return {"messageId": message_id, "body": json.dumps({"application_id": application_id}), "messageAttributes": {}}


def test_both_apis_list_the_same_products(listing, event):
    everything = event("list-products")
    del everything["queryStringParameters"]
    status, listed = answered(listing, everything)
    assert status == 200
    assert [product["product_id"] for product in listed["products"]] == [product.product_id for product in products.CATALOGUE]
    assert answered(listing, event("list-products-partner")) == (200, listed)


def test_an_amount_leaves_the_products_that_lend_it(listing, event):
    _, listed = answered(listing, event("list-products"))
    assert [product["product_id"] for product in listed["products"]] == ["everyday-loan", "car-loan", "home-improvement"]


@pytest.mark.parametrize("amount", ["much", "-1", "", "9" * 30, "1e4", "٣"])
def test_an_amount_that_is_none_is_refused(listing, event, amount):
    status, refusal = answered(listing, event("list-products") | {"queryStringParameters": {"amount_minor": amount}})
    assert status == 400
    assert refusal["error"]["fields"] == {"amount_minor": "must be a whole number from 10000 to 7500000"}


def test_terms_come_as_a_page_in_which_markup_is_only_text(listing, event, s3):
    s3.objects["terms/car-loan.md"] = b"# Car *loan*\n<script>alert(1)</script>"
    status, page = answered(listing, event("read-terms"))
    assert status == 200
    assert "<h1>Car <em>loan</em></h1>" in page
    assert "<script>" not in page


def test_terms_that_are_not_there_are_not_found(listing, event):
    assert answered(listing, event("read-terms"))[1]["error"]["code"] == "terms_not_found"
    unknown = event("read-terms", path={"product_id": "../secrets"})
    assert answered(listing, unknown)[1]["error"]["code"] == "product_not_found"


def test_every_product_has_its_terms():
    assert {path.stem for path in TERMS.glob("*.md")} == {product.product_id for product in products.CATALOGUE}


def test_the_same_question_is_answered_once_and_then_from_the_table(prequalifying, event, scoring):
    status, first = answered(prequalifying, event("prequalify"))
    assert (status, first["decision"]) == (201, "offered")
    scoring.answer = 400
    assert answered(prequalifying, event("prequalify-partner")) == (200, first)
    assert scoring.asked == 1


def test_an_expired_prequalification_is_decided_anew(prequalifying, event, scoring, time_s):
    answered(prequalifying, event("prequalify"))
    time_s[0] += LIFETIME_S
    scoring.answer = 400
    status, second = answered(prequalifying, event("prequalify"))
    assert (status, second["decision"], second["expires_at"]) == (201, "declined", time_s[0] + LIFETIME_S)


def test_of_two_that_are_decided_at_once_the_first_stands(offers, now_s, scoring, event):
    class Racing:
        def score(self, applicant_id):
            answered(web.application(lambda: prequalify.routes(offers, scoring, LIFETIME_S, now=lambda: now_s)), event("prequalify"))
            return 400

    loser = web.application(lambda: prequalify.routes(offers, Racing(), LIFETIME_S, now=lambda: now_s))
    assert answered(loser, event("prequalify"))[1]["decision"] == "offered"


def test_without_a_score_nothing_is_stored(prequalifying, event, scoring, dynamodb):
    scoring.answer = None
    answer = prequalifying(event("prequalify"), None)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "10")
    assert json.loads(answer["body"])["error"]["code"] == "scoring_unavailable"
    assert dynamodb.items == {}


def test_the_table_keeps_the_answer_and_nothing_personal(prequalifying, event, dynamodb):
    answered(prequalifying, event("prequalify"))
    (item,) = dynamodb.items.values()
    assert "expires_at" in item
    assert "ada-780" not in json.dumps(item)
    assert not {"applicant_id", "monthly_income_minor", "monthly_debt_minor"} & item.keys()


@pytest.mark.parametrize("body", ["", "{", "[]", "7", "null", "[" * 16_000, '{"amount_minor": NaN}', "\x00"])
def test_a_body_that_is_no_object_is_refused(prequalifying, event, body):
    status, refusal = answered(prequalifying, event("prequalify", body=body))
    assert status == 400
    assert refusal["error"]["code"] in {"invalid_json", "invalid_request"}


def test_a_large_body_is_refused(prequalifying, event):
    assert answered(prequalifying, event("prequalify", body=" " * 20_000))[0] == 413


def test_a_binary_body_is_read(prequalifying, event):
    sample = event("prequalify")
    encoded = base64.b64encode(sample["body"].encode()).decode()
    assert answered(prequalifying, sample | {"body": encoded, "isBase64Encoded": True})[0] == 201
    assert answered(prequalifying, sample | {"body": base64.b64encode(b"\xff\xfe").decode(), "isBase64Encoded": True})[0] == 400


def test_an_application_goes_from_received_to_recorded_once(prequalifying, applying, recording, event, sqs, time_s):
    answered(prequalifying, event("prequalify"))
    status, application = answered(applying, event("apply"))
    assert (status, application["status"], application["product_id"]) == (202, "received", "home-improvement")
    assert json.loads(sqs.sent[0]["body"]) == {"application_id": application["application_id"]}
    assert sqs.sent[0]["attributes"]["correlation_id"]["StringValue"] == "sample-event"

    time_s[0] += 5
    consumed = {"Records": [message(application["application_id"])]}
    assert recording(consumed, None) == {"batchItemFailures": []}
    time_s[0] += 5
    assert recording(consumed, None) == {"batchItemFailures": []}

    status_event = event("read-terms", path={"application_id": application["application_id"]})
    status_event["routeKey"] = "GET /applications/{application_id}"
    status, stands = answered(applying, status_event)
    assert (status, stands["status"], stands["recorded_at"]) == (200, "recorded", time_s[0] - 5)
    assert answered(applying, event("apply")) == (202, stands)
    assert len(sqs.sent) == 1


def test_an_application_that_was_not_sent_is_sent_when_asked_again(prequalifying, applying, event, sqs):
    answered(prequalifying, event("prequalify"))
    _, first = answered(applying, event("apply"))
    _, second = answered(applying, event("apply"))
    assert first == second
    assert len(sqs.sent) == 2


def test_an_expired_prequalification_cannot_be_taken(prequalifying, applying, event, sqs, time_s):
    answered(prequalifying, event("prequalify"))
    time_s[0] += LIFETIME_S
    status, refusal = answered(applying, event("apply"))
    assert (status, refusal["error"]["code"]) == (404, "prequalification_not_found")
    assert sqs.sent == []


def test_an_unknown_application_is_not_found(applying, event):
    unknown = event("read-terms", path={"application_id": "0" * 32}) | {"routeKey": "GET /applications/{application_id}"}
    assert answered(applying, unknown)[1]["error"]["code"] == "application_not_found"


def test_a_bad_message_fails_alone(prequalifying, applying, recording, event):
    answered(prequalifying, event("prequalify"))
    _, application = answered(applying, event("apply"))
    sample = event("record-application")
    sample["Records"].insert(1, message(application["application_id"], "good"))
    failed = [failure["itemIdentifier"] for failure in recording(sample, None)["batchItemFailures"]]
    assert failed == [sample["Records"][0]["messageId"], sample["Records"][2]["messageId"]]


def test_what_nobody_foresaw_is_a_500_that_tells_nothing(event, capsys):
    def break_down(request):
        raise RuntimeError("ada-780 owes 300 EUR")

    handler = web.application(lambda: {"GET /products": break_down})
    assert answered(handler, event("list-products"))[1] == {
        "error": {"code": "internal_error", "message": "Something went wrong on our side."}
    }
    line = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (line["level"], line["error_type"]) == ("ERROR", "RuntimeError")
    assert "break_down" in line["where"][-1]
    assert "ada" not in json.dumps(line)


def test_an_unknown_route_is_not_found(listing, event):
    assert answered(listing, event("list-products") | {"routeKey": "$default"})[0] == 404


def test_lines_and_answer_carry_the_correlation_id_and_nothing_personal(prequalifying, event, capsys):
    answer = prequalifying(event("prequalify"), None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["prequalification_decided", "answered"]
    assert {line["correlation_id"] for line in lines} == {answer["headers"]["x-correlation-id"]} == {"sample-event"}
    assert not any(personal in json.dumps(lines) for personal in ("ada-780", "420000", "30000", "1000000"))


def test_a_correlation_id_that_is_none_is_replaced_by_the_request_id(listing, event):
    sample = event("list-products")
    sample["headers"]["x-correlation-id"] = 'x", "level": "ERROR'
    assert listing(sample, None)["headers"]["x-correlation-id"] == sample["requestContext"]["requestId"]


def test_a_field_that_is_not_on_the_list_cannot_be_logged():
    with pytest.raises(TypeError):
        log("anything", applicant_id="ada-780")
