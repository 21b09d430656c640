"""The rules: which products an applicant would get for an amount, a term and a score, and at what price. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Self

from credit_offers.products import AMOUNT_MINOR, CATALOGUE, CURRENCY, TERM_MONTHS, Product
from credit_offers.validation import Fields

MONTHLY_MINOR = range(1_000_000_00 + 1)
BURDEN_PERCENT_MAX = 40
"""Debts and the new payment together take at most this share of the income."""


@dataclass(frozen=True)
class Question:
    """What an applicant asks. It is never stored and never logged: only its digest and the answer are."""

    applicant_id: str
    monthly_income_minor: int
    monthly_debt_minor: int
    amount_minor: int
    term_months: int

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        fields = Fields(document)
        question = cls(
            applicant_id=fields.text("applicant_id", r"[A-Za-z0-9-]{1,64}", "1 to 64 letters, digits and hyphens"),
            monthly_income_minor=fields.number("monthly_income_minor", MONTHLY_MINOR),
            monthly_debt_minor=fields.number("monthly_debt_minor", MONTHLY_MINOR),
            amount_minor=fields.number("amount_minor", AMOUNT_MINOR),
            term_months=fields.number("term_months", TERM_MONTHS),
        )
        fields.finish()
        return question

    @property
    def prequalification_id(self) -> str:
        """The same for the same question, so that asking again finds the answer that was given."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Offer:
    product_id: str
    apr_bp: int
    monthly_payment_minor: int
    total_minor: int


@dataclass(frozen=True)
class Refusal:
    product_id: str
    reason: str
    """`amount_out_of_range`, `term_out_of_range`, `score_too_low` or `burden_too_high`."""


@dataclass(frozen=True)
class Prequalification:
    prequalification_id: str
    amount_minor: int
    term_months: int
    offers: tuple[Offer, ...]
    """Cheapest first."""
    refusals: tuple[Refusal, ...]
    created_at: int
    expires_at: int

    @property
    def decision(self) -> str:
        return "offered" if self.offers else "declined"

    def as_document(self) -> dict[str, Any]:
        return {"decision": self.decision, "currency": CURRENCY} | asdict(self)


def decide(
    question: Question,
    score: int,
    *,
    now_s: int,
    expires_at: int,
    catalogue: Sequence[Product] = CATALOGUE,
) -> Prequalification:
    answers = [_answer(question, score, product) for product in catalogue]
    offers = [answer for answer in answers if isinstance(answer, Offer)]
    return Prequalification(
        prequalification_id=question.prequalification_id,
        amount_minor=question.amount_minor,
        term_months=question.term_months,
        offers=tuple(sorted(offers, key=lambda offer: offer.total_minor)),
        refusals=tuple(answer for answer in answers if isinstance(answer, Refusal)),
        created_at=now_s,
        expires_at=expires_at,
    )


def monthly_payment_minor(amount_minor: int, apr_bp: int, term_months: int) -> int:
    """The level payment of an annuity, rounded half up to the minor unit."""
    rate = Decimal(apr_bp) / 10_000 / 12
    payment = amount_minor * rate / (1 - (1 + rate) ** -term_months) if rate else Decimal(amount_minor) / term_months
    return int(payment.quantize(Decimal(1), ROUND_HALF_UP))


def _answer(question: Question, score: int, product: Product) -> Offer | Refusal:
    if question.amount_minor not in product.amount_minor:
        return Refusal(product.product_id, "amount_out_of_range")
    if question.term_months not in product.term_months:
        return Refusal(product.product_id, "term_out_of_range")
    apr_bp = product.apr_bp(score)
    if apr_bp is None:
        return Refusal(product.product_id, "score_too_low")
    payment_minor = monthly_payment_minor(question.amount_minor, apr_bp, question.term_months)
    if (question.monthly_debt_minor + payment_minor) * 100 > question.monthly_income_minor * BURDEN_PERCENT_MAX:
        return Refusal(product.product_id, "burden_too_high")
    return Offer(product.product_id, apr_bp, payment_minor, payment_minor * question.term_months)
