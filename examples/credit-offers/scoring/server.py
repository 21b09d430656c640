#!/usr/bin/env python3
"""The third-party scoring API: slow, sometimes failing, and the same for the same applicant every time.

    POST /scores {"applicant_id": "ada-780"}  ->  200 {"score": 780}, or 503
    GET  /health                              ->  200 {"status": "ok"}

An applicant id can say what is to happen, as test card numbers do:
    ...-780   this score (300 to 850); any other id gets a score drawn from the id and the seed
    down...   503, always
    flaky...  503 on the first request and on every second one after it
    slow...   an answer after SLOW_S, when nobody waits any longer
For the rest, `--failure-rate` of the applicants get one 503 before each answer, and latency is spread around `--latency-ms`.
"""

import argparse
import hashlib
import json
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_S = 5.0
BODY_BYTES_MAX = 4096
APPLICANTS_REMEMBERED = 10_000


@dataclass(frozen=True)
class Settings:
    latency_ms: int = 80
    failure_rate: float = 0.1
    seed: str = "credit-offers"


@dataclass(frozen=True)
class Outcome:
    score: int | None
    """None: 503."""
    delay_s: float


def outcome(applicant_id: str, request_number: int, settings: Settings) -> Outcome:
    """What the applicant's n-th request (from 1) gets."""
    delay_s = settings.latency_ms * (0.5 + _draw(settings, applicant_id, "latency")) / 1000
    if applicant_id.startswith("down"):
        return Outcome(None, delay_s)
    if applicant_id.startswith("slow"):
        delay_s = SLOW_S
    fails_first = applicant_id.startswith("flaky") or _draw(settings, applicant_id, "failure") < settings.failure_rate
    if fails_first and request_number % 2 == 1:
        return Outcome(None, delay_s)
    stated = re.search(r"-([3-8][0-9]{2})$", applicant_id)
    score = int(stated[1]) if stated else 300 + round(550 * _draw(settings, applicant_id, "score"))
    return Outcome(min(score, 850), delay_s)


def _draw(settings: Settings, *what: str) -> float:
    """From 0 to 1, the same for the same seed and subject."""
    digest = hashlib.sha256("/".join((settings.seed, *what)).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


class ScoringServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], settings: Settings):
        super().__init__(address, _Handler)
        self.settings = settings
        self._requests: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def request_number(self, applicant_id: str) -> int:
        with self._lock:
            number = self._requests.pop(applicant_id, 0) + 1
            self._requests[applicant_id] = number
            if len(self._requests) > APPLICANTS_REMEMBERED:
                self._requests.popitem(last=False)
            return number


class _Handler(BaseHTTPRequestHandler):
    server: ScoringServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, {"status": "ok"})
        else:
            self._answer(404, {"message": "not found"})

    def do_POST(self) -> None:
        applicant_id = self._applicant_id()
        if self.path != "/scores":
            self._answer(404, {"message": "not found"})
        elif applicant_id is None:
            self._answer(400, {"message": "a JSON object with an applicant_id is required"})
        else:
            result = outcome(applicant_id, self.server.request_number(applicant_id), self.server.settings)
            time.sleep(result.delay_s)
            if result.score is None:
                self._answer(503, {"message": "try again later"})
            else:
                self._answer(200, {"score": result.score})

    def _applicant_id(self) -> str | None:
        length = self.headers.get("content-length", "")
        if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            return None
        try:
            applicant_id = json.loads(self.rfile.read(int(length)))["applicant_id"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return applicant_id if isinstance(applicant_id, str) and applicant_id else None

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the caller has stopped waiting

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        print(f"scoring: {self.command} {self.path} {code}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--latency-ms", type=int, default=Settings.latency_ms)
    parser.add_argument("--failure-rate", type=float, default=Settings.failure_rate, help="share of applicants, 0 to 1")
    parser.add_argument("--seed", default=Settings.seed)
    arguments = parser.parse_args()
    settings = Settings(arguments.latency_ms, arguments.failure_rate, arguments.seed)
    with ScoringServer((arguments.host, arguments.port), settings) as server:
        print(f"scoring: http://{arguments.host}:{server.server_port}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
