"""POST /prequalifications: the offers an applicant would get. The same question within its time gets the stored answer."""

import os
import time
from collections.abc import Callable

from credit_offers import prequalification, web
from credit_offers.errors import Problem
from credit_offers.logs import log
from credit_offers.prequalification import Question
from credit_offers.scoring import ScoringClient, ScoringUnavailable
from credit_offers.storage import OffersTable


def routes(offers: OffersTable, scoring: ScoringClient, lifetime_s: int, now: Callable[[], float] = time.time) -> web.Routes:
    def prequalify(request: web.Request) -> web.Answer:
        question = Question.from_document(request.document())
        now_s = int(now())
        stored = offers.prequalification(question.prequalification_id, now_s)
        if stored is not None:
            log("prequalification_repeated", prequalification_id=stored.prequalification_id, decision=stored.decision)
            return web.Answer(200, stored.as_document())
        try:
            score = scoring.score(question.applicant_id)
        except ScoringUnavailable as unavailable:
            raise Problem(
                503,
                "scoring_unavailable",
                "We cannot reach the scoring service at the moment. Nothing was stored; please ask again.",
                headers={"retry-after": str(unavailable.retry_after_s)},
            ) from unavailable
        decided = prequalification.decide(question, score, now_s=now_s, expires_at=now_s + lifetime_s)
        kept = offers.keep_prequalification(decided, now_s)
        log("prequalification_decided", prequalification_id=kept.prequalification_id, decision=kept.decision, offers=len(kept.offers))
        return web.Answer(201, kept.as_document())

    return {"POST /prequalifications": prequalify}


handler = web.application(
    lambda: routes(
        OffersTable.from_environment(),
        ScoringClient.from_environment(),
        lifetime_s=int(os.environ["OFFER_DAYS"]) * 86_400,
    )
)
