"""The third-party scoring API, which is slow and sometimes fails.

Three limits, from the inside out:
- A request may take ATTEMPT_TIMEOUT_S, and a call at most ATTEMPTS requests within CALL_DEADLINE_S.
- A retry must be paid from a budget that only successes refill, so that retries cannot multiply the load on a service in trouble.
- After BREAKER_FAILURES failed calls in a row nobody asks for BREAKER_COOLDOWN_S; then one call may try:

      closed --failures in a row--> open --cool-down--> half-open --success--> closed
                                      ^-------------failure-----------'

A function's sandbox answers one call at a time, so budget and breaker belong to one sandbox and need no lock.
"""

import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Self

from credit_offers.logs import log

ATTEMPTS = 3
ATTEMPT_TIMEOUT_S = 1.0
CALL_DEADLINE_S = 4.0
BACKOFF_S = 0.1
BUDGET_RETRIES = 10.0
BUDGET_PER_SUCCESS = 0.5
BREAKER_FAILURES = 3
BREAKER_COOLDOWN_S = 10.0
ANSWER_BYTES_MAX = 4096

Ask = Callable[[str, float], int]
"""One request: an applicant id and a timeout in seconds in, a score out. Raises ScoringFailed."""


class ScoringFailed(Exception):
    """One request failed in a way that the next may not."""


class ScoringUnavailable(Exception):
    """No score to be had now; asking again after `retry_after_s` may help."""

    def __init__(self, retry_after_s: int):
        super().__init__("scoring unavailable")
        self.retry_after_s = retry_after_s


class RetryBudget:
    def __init__(self) -> None:
        self._retries = BUDGET_RETRIES

    def take(self) -> bool:
        if self._retries < 1:
            return False
        self._retries -= 1
        return True

    def refill(self, retries_spent: int) -> None:
        """A success after retries gives them back, one at once earns a part of one."""
        self._retries = min(BUDGET_RETRIES, self._retries + (retries_spent or BUDGET_PER_SUCCESS))


class CircuitBreaker:
    def __init__(self, monotonic: Callable[[], float]):
        self._monotonic = monotonic
        self._failures = 0
        self._open_until_s = 0.0

    @property
    def state(self) -> str:
        if self._failures < BREAKER_FAILURES:
            return "closed"
        return "open" if self._monotonic() < self._open_until_s else "half-open"

    def succeed(self) -> None:
        self._failures = 0

    def fail(self) -> None:
        self._failures += 1
        self._open_until_s = self._monotonic() + BREAKER_COOLDOWN_S


class ScoringClient:
    def __init__(
        self,
        ask: Ask,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ):
        self._ask = ask
        self._monotonic = monotonic
        self._sleep = sleep
        self._jitter = jitter
        self._budget = RetryBudget()
        self._breaker = CircuitBreaker(monotonic)

    @classmethod
    def from_environment(cls) -> Self:
        return cls(ask_over_http(os.environ["SCORING_URL"]))

    def score(self, applicant_id: str) -> int:
        """300 to 850. Raises ScoringUnavailable."""
        if self._breaker.state == "open":
            raise self._unavailable(attempts=0)
        deadline_s = self._monotonic() + CALL_DEADLINE_S
        attempt = 1
        while True:
            try:
                score = self._ask(applicant_id, min(ATTEMPT_TIMEOUT_S, deadline_s - self._monotonic()))
            except ScoringFailed:
                pause_s = BACKOFF_S * 2 ** (attempt - 1) * (0.5 + self._jitter())
                in_time = self._monotonic() + pause_s + ATTEMPT_TIMEOUT_S <= deadline_s
                if attempt == ATTEMPTS or not in_time or not self._budget.take():
                    self._breaker.fail()
                    raise self._unavailable(attempts=attempt) from None
                self._sleep(pause_s)
                attempt += 1
            else:
                self._breaker.succeed()
                self._budget.refill(attempt - 1)
                log("scored", attempts=attempt)
                return score

    def _unavailable(self, attempts: int) -> ScoringUnavailable:
        retry_after_s = 1 if self._breaker.state == "closed" else round(BREAKER_COOLDOWN_S)
        log("scoring_unavailable", level="WARNING", attempts=attempts, breaker=self._breaker.state, retry_after_s=retry_after_s)
        return ScoringUnavailable(retry_after_s)


def ask_over_http(url: str) -> Ask:
    """`POST {url}/scores`: the applicant is named in the body, because addresses end up in other people's logs."""

    def ask(applicant_id: str, timeout_s: float) -> int:
        body = json.dumps({"applicant_id": applicant_id}).encode()
        request = urllib.request.Request(f"{url}/scores", body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return int(json.loads(answer.read(ANSWER_BYTES_MAX))["score"])
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 and error.code != 429:
                raise  # our mistake, which no retry mends
            raise ScoringFailed from error
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:  # refused, cut off, too slow, or not a score
            raise ScoringFailed from error

    return ask
