import json
import threading

import pytest

from credit_offers.scoring import (
    ATTEMPT_TIMEOUT_S,
    ATTEMPTS,
    BREAKER_COOLDOWN_S,
    BREAKER_FAILURES,
    BUDGET_RETRIES,
    CALL_DEADLINE_S,
    ScoringClient,
    ScoringFailed,
    ScoringUnavailable,
    ask_over_http,
)
from scoring.server import ScoringServer, Settings, outcome

QUIET = Settings(latency_ms=0, failure_rate=0)


class Service:
    """Answers as `plan` says, then with its last word; None fails. Each request takes `takes_s` of the clock."""

    def __init__(self, *plan, takes_s=0.0):
        self.plan, self.takes_s = list(plan), takes_s
        self.asked, self.clock_s, self.slept = 0, 0.0, []

    def client(self):
        return ScoringClient(self.ask, monotonic=lambda: self.clock_s, sleep=self.sleep, jitter=lambda: 0.5)

    def ask(self, applicant_id, timeout_s):
        self.asked += 1
        self.clock_s += min(self.takes_s, timeout_s)
        answer = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        if answer is None or self.takes_s > timeout_s:
            raise ScoringFailed
        return answer

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock_s += seconds


def fail(client):
    with pytest.raises(ScoringUnavailable) as unavailable:
        client.score("ada")
    return unavailable.value


def test_a_failed_request_is_repeated_after_growing_pauses():
    service = Service(None, None, 700)
    assert service.client().score("ada") == 700
    assert (service.asked, service.slept) == (3, [0.1, 0.2])


def test_a_call_gives_up_after_its_attempts():
    service = Service(None)
    assert fail(service.client()).retry_after_s == 1
    assert service.asked == ATTEMPTS


def test_a_slow_service_does_not_hold_a_call_past_its_deadline():
    service = Service(700, takes_s=60)
    fail(service.client())
    assert service.clock_s <= CALL_DEADLINE_S
    assert service.asked * ATTEMPT_TIMEOUT_S <= CALL_DEADLINE_S


def test_the_breaker_opens_after_failures_in_a_row_and_closes_after_a_success():
    service = Service(None)
    client = service.client()
    for _ in range(BREAKER_FAILURES - 1):
        fail(client)
    assert fail(client).retry_after_s == BREAKER_COOLDOWN_S
    asked = service.asked
    fail(client)
    assert service.asked == asked, "an open breaker asks nobody"
    service.clock_s += BREAKER_COOLDOWN_S
    service.plan = [None]
    fail(client)
    assert service.asked > asked, "a half-open breaker lets one call try"
    asked = service.asked
    fail(client)
    assert service.asked == asked, "and opens again when it fails"
    service.clock_s += BREAKER_COOLDOWN_S
    service.plan = [700, None]
    assert client.score("ada") == 700
    fail(client)
    assert service.asked > asked + 1, "a success closes it"


def test_retries_are_paid_from_a_budget_that_successes_refill():
    service = Service(None)
    client = service.client()
    while service.asked < 100:
        asked = service.asked
        fail(client)
        service.clock_s += BREAKER_COOLDOWN_S
        if service.asked - asked == 1:
            break
    assert len(service.slept) == BUDGET_RETRIES
    service.plan = [700, 700, None, 700]
    assert [client.score("ada") for _ in range(3)] == [700, 700, 700], "two successes have earned one retry"
    assert len(service.slept) == BUDGET_RETRIES + 1


@pytest.fixture(scope="module")
def server_url():
    server = ScoringServer(("127.0.0.1", 0), QUIET)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_scoring_server_answers_over_http(server_url):
    ask = ask_over_http(server_url)
    assert ask("ada-780", 5) == 780
    with pytest.raises(ScoringFailed):
        ask("flaky-700", 5)
    assert ask("flaky-700", 5) == 700
    with pytest.raises(ScoringFailed):
        ask("down", 5)


def test_an_answer_that_does_not_come_in_time_is_a_failure(server_url):
    with pytest.raises(ScoringFailed):
        ask_over_http(server_url)("slow-700", 0.02)


def test_a_service_that_is_not_there_is_a_failure():
    with ScoringServer(("127.0.0.1", 0), QUIET) as gone:
        port = gone.server_port
    with pytest.raises(ScoringFailed):
        ask_over_http(f"http://127.0.0.1:{port}")("ada-780", 5)


def test_the_scoring_service_is_the_same_for_the_same_applicant():
    settings = Settings(failure_rate=0.3)
    assert [outcome(f"a{n}", 2, settings) for n in range(50)] == [outcome(f"a{n}", 2, settings) for n in range(50)]
    assert all(300 <= outcome(f"a{n}", 2, settings).score <= 850 for n in range(200))
    failing = sum(outcome(f"a{n}", 1, settings).score is None for n in range(1000))
    assert 250 < failing < 350


def test_a_log_line_tells_attempts_and_not_the_applicant(capsys):
    Service(None, 700).client().score("ada")
    line = capsys.readouterr().out
    assert json.loads(line)["attempts"] == 2
    assert "ada" not in line
