"""How HTTP(S) endpoints are tried again: policies of topics and subscriptions, and the pauses that follow from them. Pure.

Source: AWS: "Amazon SNS message delivery retries", "Creating an HTTP/S delivery policy".
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

Document = dict[str, Any]

RETRY_DEFAULTS: Document = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}
CONTENT_TYPE = "text/plain; charset=UTF-8"
TOTAL_S_MAX = 3600
RETRIES_MAX = 100
DELAY_S_MAX = 3600

_BACKOFFS = ("arithmetic", "exponential", "geometric", "linear")
_TOPIC_MEMBERS = {"defaultHealthyRetryPolicy", "disableSubscriptionOverrides", "defaultThrottlePolicy", "defaultRequestPolicy"}
_MEMBERS = {"healthyRetryPolicy", "sicklyRetryPolicy", "throttlePolicy", "requestPolicy", "guaranteed"}
_CONTENT_TYPES = (
    "application/atom+xml",
    "application/json",
    "application/octet-stream",
    "application/soap+xml",
    "application/x-www-form-urlencoded",
    "application/xhtml+xml",
    "application/xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/plain",
    "text/xml",
)
"""AWS: values of headerContentType."""


class DeliveryPolicyError(ValueError):
    """What is wrong."""


def check_topic(text: str) -> None:
    """Raises DeliveryPolicyError."""
    http = _object(text).get("http", {})
    if not isinstance(http, dict) or set(http) - _TOPIC_MEMBERS:
        raise DeliveryPolicyError("http is not a delivery policy")
    _check(http.get("defaultHealthyRetryPolicy"), http.get("defaultThrottlePolicy"), http.get("defaultRequestPolicy"))


def check_subscription(text: str) -> None:
    """Raises DeliveryPolicyError."""
    document = _object(text)
    if set(document) - _MEMBERS:
        raise DeliveryPolicyError(f"Unexpected JSON member: {sorted(set(document) - _MEMBERS)[0]}")
    _check(document.get("healthyRetryPolicy"), document.get("throttlePolicy"), document.get("requestPolicy"))


def effective_of_topic(text: str) -> str:
    """EffectiveDeliveryPolicy of a topic with this (checked) DeliveryPolicy, or none."""
    http = json.loads(text).get("http", {}) if text else {}
    shown: Document = {
        "defaultHealthyRetryPolicy": {**RETRY_DEFAULTS, **(http.get("defaultHealthyRetryPolicy") or {})},
        "disableSubscriptionOverrides": http.get("disableSubscriptionOverrides", False),
    }
    if http.get("defaultThrottlePolicy"):
        shown["defaultThrottlePolicy"] = http["defaultThrottlePolicy"]
    shown["defaultRequestPolicy"] = http.get("defaultRequestPolicy") or {"headerContentType": CONTENT_TYPE}
    return json.dumps({"http": shown}, separators=(",", ":"))


def effective_of_subscription(text: str, topic_text: str) -> str:
    """The subscription's own (checked) policy, where the topic does not forbid it, over the topic's."""
    policy = effective(text, topic_text)
    return json.dumps(policy, separators=(",", ":"))


@lru_cache(maxsize=1024)
def effective(text: str, topic_text: str) -> Document:
    """What holds for a subscription: healthyRetryPolicy, sicklyRetryPolicy, throttlePolicy, requestPolicy, guaranteed."""
    http = json.loads(topic_text).get("http", {}) if topic_text else {}
    own: Document = json.loads(text) if text and not http.get("disableSubscriptionOverrides") else {}
    return {
        "healthyRetryPolicy": {**RETRY_DEFAULTS, **(own.get("healthyRetryPolicy") or http.get("defaultHealthyRetryPolicy") or {})},
        "sicklyRetryPolicy": own.get("sicklyRetryPolicy"),
        "throttlePolicy": own.get("throttlePolicy") or http.get("defaultThrottlePolicy"),
        "requestPolicy": own.get("requestPolicy") or http.get("defaultRequestPolicy") or {"headerContentType": CONTENT_TYPE},
        "guaranteed": own.get("guaranteed", False),
    }


def pauses_s(retry: Document) -> list[float]:
    """The pause before each retry: at once, short, growing, long."""
    low, high = retry["minDelayTarget"], retry["maxDelayTarget"]
    immediate, short, long = retry["numNoDelayRetries"], retry["numMinDelayRetries"], retry["numMaxDelayRetries"]
    growing = max(0, retry["numRetries"] - immediate - short - long)
    steps = [_grown(retry["backoffFunction"], low, high, step, growing) for step in range(growing)]
    return [*([0.0] * immediate), *([float(low)] * short), *steps, *([float(high)] * long)]


def _grown(function: str, low: float, high: float, step: int, steps: int) -> float:
    if steps == 1 or low == high:
        return float(low)
    last = steps - 1
    if function == "geometric":
        return float(low * (high / low) ** (step / last))
    if function == "exponential":
        return low + (high - low) * (2**step - 1) / (2**last - 1)
    if function == "arithmetic":
        return low + (high - low) * step * (step + 1) / (last * (last + 1))
    return low + (high - low) * step / last


def _object(text: str) -> Document:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise DeliveryPolicyError("failed to parse JSON.") from None
    if not isinstance(document, dict):
        raise DeliveryPolicyError("not a JSON object")
    return document


def _check(retry: Any, throttle: Any, request: Any) -> None:
    for part in (retry, throttle, request):
        if part is not None and not isinstance(part, dict):
            raise DeliveryPolicyError("a policy is a JSON object")
    if retry:
        for name, value in retry.items():
            if name not in RETRY_DEFAULTS:
                raise DeliveryPolicyError(f"Unexpected JSON member: {name}")
            if name != "backoffFunction" and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise DeliveryPolicyError(f"{name} must be a non-negative integer")
        merged = {**RETRY_DEFAULTS, **retry}
        if merged["backoffFunction"] not in _BACKOFFS:
            raise DeliveryPolicyError("backoffFunction must be one of arithmetic, exponential, geometric, linear")
        if not 1 <= merged["minDelayTarget"] <= merged["maxDelayTarget"]:
            raise DeliveryPolicyError("minDelayTarget must be between 1 and maxDelayTarget")
        if merged["maxDelayTarget"] > DELAY_S_MAX:
            raise DeliveryPolicyError(f"maxDelayTarget must be at most {DELAY_S_MAX}")
        if merged["numRetries"] > RETRIES_MAX:
            raise DeliveryPolicyError(f"numRetries must be at most {RETRIES_MAX}")
        if merged["numNoDelayRetries"] + merged["numMinDelayRetries"] + merged["numMaxDelayRetries"] > merged["numRetries"]:
            raise DeliveryPolicyError("the retries of the phases are more than numRetries")
        if sum(pauses_s(merged)) > TOTAL_S_MAX:
            raise DeliveryPolicyError(f"the total retry time is more than {TOTAL_S_MAX} seconds")
    if throttle:
        rate = throttle.get("maxReceivesPerSecond")
        if set(throttle) - {"maxReceivesPerSecond"} or isinstance(rate, bool) or not isinstance(rate, int) or rate < 1:
            raise DeliveryPolicyError("maxReceivesPerSecond must be a positive integer")
    if request:
        kind = request.get("headerContentType")
        if set(request) - {"headerContentType"} or not isinstance(kind, str) or kind.split(";")[0].strip().lower() not in _CONTENT_TYPES:
            raise DeliveryPolicyError("headerContentType is not a content type that Amazon SNS sends")
