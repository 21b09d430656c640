"""Consumer of the applications queue: marks each application as recorded, once, however often its message comes."""

import time
from collections.abc import Callable

from credit_offers import queue
from credit_offers.logs import log
from credit_offers.storage import OffersTable


def recorder(offers: OffersTable, now: Callable[[], float] = time.time) -> queue.Consumer:
    def record(application_id: str) -> None:
        first_time = offers.record_application(application_id, int(now()))
        log("application_recorded" if first_time else "application_recorded_before", application_id=application_id)

    return record


handler = queue.consumer(lambda: recorder(OffersTable.from_environment()))
