"""An application: an offer that was taken. `received` when it is on its way, `recorded` when the consumer has seen it. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from credit_offers.errors import Problem
from credit_offers.prequalification import Prequalification
from credit_offers.products import CURRENCY
from credit_offers.validation import Fields


@dataclass(frozen=True)
class OfferTaken:
    """What a caller sends to apply."""

    prequalification_id: str
    product_id: str

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        fields = Fields(document)
        taken = cls(
            prequalification_id=fields.text("prequalification_id", r"[0-9a-f]{32}", "the id of a prequalification"),
            product_id=fields.text("product_id", r"[a-z-]{1,64}", "the id of a product"),
        )
        fields.finish()
        return taken


@dataclass(frozen=True)
class Application:
    application_id: str
    prequalification_id: str
    product_id: str
    amount_minor: int
    term_months: int
    apr_bp: int
    monthly_payment_minor: int
    status: str
    received_at: int
    recorded_at: int | None = None

    def as_document(self) -> dict[str, Any]:
        return {"currency": CURRENCY} | asdict(self)


def receive(taken: OfferTaken, prequalification: Prequalification, *, now_s: int) -> Application:
    """The same application for the same offer, however often it is taken. Raises a 409 where no such offer was made."""
    offer = next((offer for offer in prequalification.offers if offer.product_id == taken.product_id), None)
    if offer is None:
        raise Problem(409, "not_offered", "This prequalification offers no such product.")
    offer_key = f"{prequalification.prequalification_id}/{prequalification.created_at}/{offer.product_id}"
    return Application(
        application_id=hashlib.sha256(offer_key.encode()).hexdigest()[:32],
        prequalification_id=taken.prequalification_id,
        product_id=offer.product_id,
        amount_minor=prequalification.amount_minor,
        term_months=prequalification.term_months,
        apr_bp=offer.apr_bp,
        monthly_payment_minor=offer.monthly_payment_minor,
        status="received",
        received_at=now_s,
    )
