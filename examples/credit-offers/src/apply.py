"""POST /applications and GET /applications/{application_id}: take an offer, and see how the application stands."""

import time
from collections.abc import Callable

from credit_offers import applications, web
from credit_offers.applications import OfferTaken
from credit_offers.errors import Problem
from credit_offers.logs import log
from credit_offers.queue import ApplicationsQueue
from credit_offers.storage import OffersTable


def routes(offers: OffersTable, queue: ApplicationsQueue, now: Callable[[], float] = time.time) -> web.Routes:
    def apply(request: web.Request) -> web.Answer:
        taken = OfferTaken.from_document(request.document())
        now_s = int(now())
        prequalification = offers.prequalification(taken.prequalification_id, now_s)
        if prequalification is None:
            raise Problem(404, "prequalification_not_found", "There is no such prequalification, or it has expired.")
        application = applications.receive(taken, prequalification, now_s=now_s)
        # Stored first and sent second: a caller who saw either fail asks again, and both steps bear repeating.
        stored = offers.keep_application(application)
        if stored.status == "received":
            queue.send(stored.application_id, request.correlation_id)
        log("application_received", application_id=stored.application_id, product_id=stored.product_id, application_status=stored.status)
        return web.Answer(202, stored.as_document(), {"location": f"/applications/{stored.application_id}"})

    def read_application(request: web.Request) -> web.Answer:
        application = offers.application(request.path["application_id"])
        if application is None:
            raise Problem(404, "application_not_found", "There is no such application.")
        return web.Answer(200, application.as_document())

    return {"POST /applications": apply, "GET /applications/{application_id}": read_application}


handler = web.application(lambda: routes(OffersTable.from_environment(), ApplicationsQueue.from_environment()))
