import pytest

from credit_offers import applications, products
from credit_offers.applications import OfferTaken
from credit_offers.errors import Problem
from credit_offers.prequalification import Question, decide, monthly_payment_minor
from credit_offers.products import Band, Product

ASKED = {
    "applicant_id": "ada-780",
    "monthly_income_minor": 4_200_00,
    "monthly_debt_minor": 300_00,
    "amount_minor": 10_000_00,
    "term_months": 36,
}


def prequalified(score, now_s=0, **asked):
    return decide(Question.from_document(ASKED | asked), score, now_s=now_s, expires_at=now_s + 60)


@pytest.mark.parametrize(
    "amount_minor, apr_bp, term_months, expected",
    [(10_000_00, 490, 36, 299_26), (10_000_00, 0, 36, 277_78), (100_00, 1790, 6, 17_55), (75_000_00, 450, 120, 777_29)],
)
def test_a_payment_repays_the_loan_with_its_interest(amount_minor, apr_bp, term_months, expected):
    assert monthly_payment_minor(amount_minor, apr_bp, term_months) == expected


def test_the_payments_leave_no_debt_but_rounding():
    debt_minor, payment_minor = 10_000_00.0, monthly_payment_minor(10_000_00, 690, 48)
    for _ in range(48):
        debt_minor += debt_minor * 0.0690 / 12 - payment_minor
    assert abs(debt_minor) < 48


def test_a_good_score_is_offered_every_fitting_product_cheapest_first():
    result = prequalified(780)
    assert result.decision == "offered"
    assert [(offer.product_id, offer.apr_bp) for offer in result.offers] == [
        ("home-improvement", 450),
        ("car-loan", 490),
        ("everyday-loan", 690),
    ]
    assert [(refusal.product_id, refusal.reason) for refusal in result.refusals] == [("credit-builder", "amount_out_of_range")]
    assert all(offer.total_minor == offer.monthly_payment_minor * 36 for offer in result.offers)


@pytest.mark.parametrize(
    "score, asked, reason",
    [
        (619, {}, "score_too_low"),
        (780, {"amount_minor": 500_00 - 1}, "amount_out_of_range"),
        (780, {"term_months": 61}, "term_out_of_range"),
        (780, {"monthly_debt_minor": 1_600_00}, "burden_too_high"),
        (780, {"monthly_income_minor": 0, "monthly_debt_minor": 0}, "burden_too_high"),
    ],
)
def test_a_refusal_says_why(score, asked, reason):
    refusals = {refusal.product_id: refusal.reason for refusal in prequalified(score, **asked).refusals}
    assert refusals["everyday-loan"] == reason


def test_debts_may_take_exactly_the_share_that_is_allowed():
    product = Product("plain", "Plain", range(100_00, 200_00), range(6, 13), (Band(300, 0),))
    question = Question("ada", monthly_income_minor=100_00, monthly_debt_minor=30_00, amount_minor=120_00, term_months=12)
    assert decide(question, 300, now_s=0, expires_at=60, catalogue=[product]).decision == "offered"
    a_cent_more = Question("ada", monthly_income_minor=100_00, monthly_debt_minor=30_01, amount_minor=120_00, term_months=12)
    assert decide(a_cent_more, 300, now_s=0, expires_at=60, catalogue=[product]).decision == "declined"


def test_the_same_question_has_the_same_id_and_another_has_another():
    first, second = Question.from_document(ASKED), Question.from_document(dict(reversed(ASKED.items())))
    other = Question.from_document(ASKED | {"amount_minor": 9_000_00})
    assert first.prequalification_id == second.prequalification_id != other.prequalification_id


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("applicant_id", "Ada Lovelace", "must be 1 to 64 letters, digits and hyphens"),
        ("applicant_id", 7, "must be 1 to 64 letters, digits and hyphens"),
        ("applicant_id", None, "is required"),
        ("amount_minor", 99_99, "must be a whole number from 10000 to 7500000"),
        ("amount_minor", 10_000.5, "must be a whole number from 10000 to 7500000"),
        ("amount_minor", "1000000", "must be a whole number from 10000 to 7500000"),
        ("term_months", True, "must be a whole number from 6 to 120"),
        ("monthly_debt_minor", -1, "must be a whole number from 0 to 100000000"),
        ("colour", "red", "is not a known field"),
    ],
)
def test_a_bad_field_is_named(field, value, message):
    with pytest.raises(Problem) as refused:
        Question.from_document(ASKED | {field: value})
    assert refused.value.status == 400
    assert refused.value.document["fields"] == {field: message}


def test_all_bad_fields_are_named_at_once():
    with pytest.raises(Problem) as refused:
        Question.from_document({"amount_minor": 1, "colour": "red"})
    assert refused.value.document["fields"].keys() == ASKED.keys() | {"colour"}


def test_taking_an_offer_makes_one_application_however_often_it_is_taken():
    prequalification = prequalified(780, now_s=100)
    taken = OfferTaken(prequalification.prequalification_id, "car-loan")
    application = applications.receive(taken, prequalification, now_s=110)
    assert (application.status, application.apr_bp, application.received_at) == ("received", 490, 110)
    assert applications.receive(taken, prequalification, now_s=120).application_id == application.application_id
    renewed = prequalified(780, now_s=200)
    assert applications.receive(taken, renewed, now_s=210).application_id != application.application_id


def test_a_product_that_was_not_offered_cannot_be_taken():
    prequalification = prequalified(780)
    with pytest.raises(Problem) as refused:
        applications.receive(OfferTaken(prequalification.prequalification_id, "credit-builder"), prequalification, now_s=0)
    assert (refused.value.status, refused.value.document["code"]) == (409, "not_offered")


def test_the_catalogue_keeps_within_what_a_question_may_ask_and_its_bands_fall():
    for product in products.CATALOGUE:
        assert product.amount_minor[0] in products.AMOUNT_MINOR and product.amount_minor[-1] in products.AMOUNT_MINOR
        assert product.term_months[0] in products.TERM_MONTHS and product.term_months[-1] in products.TERM_MONTHS
        assert list(product.bands) == sorted(product.bands, key=lambda band: (-band.min_score, band.apr_bp))
