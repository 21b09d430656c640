"""GET /products and GET /products/{product_id}/terms: the products, and what one signs."""

from collections.abc import Sequence

from credit_offers import products, validation, web
from credit_offers.products import Product
from credit_offers.terms import Terms


def routes(terms: Terms, catalogue: Sequence[Product] = products.CATALOGUE) -> web.Routes:
    def list_products(request: web.Request) -> web.Answer:
        fields = validation.Fields(request.query)
        amount_minor = fields.number_in_text("amount_minor", products.AMOUNT_MINOR, optional=True)
        fields.finish()
        fitting = [product for product in catalogue if amount_minor is None or amount_minor in product.amount_minor]
        return web.Answer(200, {"products": [product.as_document() for product in fitting]})

    def read_terms(request: web.Request) -> web.Answer:
        product = products.find(request.path["product_id"], catalogue)
        return web.Answer(200, terms.page(product))

    return {"GET /products": list_products, "GET /products/{product_id}/terms": read_terms}


handler = web.application(lambda: routes(Terms.from_environment()))
