"""The products on offer, what each lends and what it costs. Their terms are texts in a bucket: see `terms`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from credit_offers.errors import Problem

CURRENCY = "EUR"
AMOUNT_MINOR = range(100_00, 75_000_00 + 1)
TERM_MONTHS = range(6, 120 + 1)


@dataclass(frozen=True)
class Band:
    """Who has at least `min_score` pays `apr_bp`, a yearly rate in basis points."""

    min_score: int
    apr_bp: int


@dataclass(frozen=True)
class Product:
    product_id: str
    name: str
    amount_minor: range
    term_months: range
    bands: tuple[Band, ...]
    """Best score first."""

    def apr_bp(self, score: int) -> int | None:
        """The rate for a score; None where it is too low for this product."""
        return next((band.apr_bp for band in self.bands if score >= band.min_score), None)

    def as_document(self) -> dict[str, Any]:
        return {
            "product_id": self.product_id,
            "name": self.name,
            "currency": CURRENCY,
            "amount_minor": {"from": self.amount_minor[0], "to": self.amount_minor[-1]},
            "term_months": {"from": self.term_months[0], "to": self.term_months[-1]},
            "apr_bp": {"from": self.bands[0].apr_bp, "to": self.bands[-1].apr_bp},
            "terms": f"/products/{self.product_id}/terms",
        }


CATALOGUE = (
    Product(
        "credit-builder",
        "Credit builder",
        amount_minor=range(100_00, 1_500_00 + 1),
        term_months=range(6, 24 + 1),
        bands=(Band(640, 1290), Band(560, 1790)),
    ),
    Product(
        "everyday-loan",
        "Everyday loan",
        amount_minor=range(500_00, 15_000_00 + 1),
        term_months=range(6, 60 + 1),
        bands=(Band(740, 690), Band(680, 890), Band(620, 1190)),
    ),
    Product(
        "car-loan",
        "Car loan",
        amount_minor=range(3_000_00, 50_000_00 + 1),
        term_months=range(12, 84 + 1),
        bands=(Band(720, 490), Band(660, 690)),
    ),
    Product(
        "home-improvement",
        "Home improvement loan",
        amount_minor=range(5_000_00, 75_000_00 + 1),
        term_months=range(24, 120 + 1),
        bands=(Band(740, 450), Band(690, 590)),
    ),
)


def find(product_id: str, catalogue: Sequence[Product] = CATALOGUE) -> Product:
    for product in catalogue:
        if product.product_id == product_id:
            return product
    raise Problem(404, "product_not_found", "There is no such product.")
