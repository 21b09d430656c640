"""Pauses before retries, and what is no delivery policy."""

import json

import pytest

from groundcloud.services.sns.delivery_policies import (
    RETRY_DEFAULTS,
    DeliveryPolicyError,
    check_subscription,
    check_topic,
    effective,
    pauses_s,
)


@pytest.mark.parametrize(
    ("retry", "pauses"),
    [
        ({}, [20, 20, 20]),
        ({"numRetries": 0}, []),
        ({"numRetries": 6, "numNoDelayRetries": 1, "numMinDelayRetries": 2, "minDelayTarget": 5}, [0, 5, 5, 5, 12.5, 20]),
        ({"numRetries": 3, "minDelayTarget": 1, "maxDelayTarget": 100, "backoffFunction": "geometric"}, [1, 10, 100]),
        ({"numRetries": 3, "minDelayTarget": 10, "maxDelayTarget": 40, "backoffFunction": "exponential"}, [10, 20, 40]),
        ({"numRetries": 3, "minDelayTarget": 10, "maxDelayTarget": 40, "backoffFunction": "arithmetic"}, [10, 20, 40]),
        ({"numRetries": 4, "numMaxDelayRetries": 2, "minDelayTarget": 1, "maxDelayTarget": 9}, [1, 9, 9, 9]),
    ],
)
def test_the_phases_follow_one_another(retry, pauses):
    assert pauses_s({**RETRY_DEFAULTS, **retry}) == pytest.approx(pauses)


@pytest.mark.parametrize(
    "policy",
    [
        "{",
        "[]",
        {"healthyRetryPolicy": {"numRetries": -1}},
        {"healthyRetryPolicy": {"numRetries": 101}},
        {"healthyRetryPolicy": {"retries": 1}},
        {"healthyRetryPolicy": {"minDelayTarget": 30}},
        {"healthyRetryPolicy": {"numRetries": 1, "numNoDelayRetries": 2}},
        {"healthyRetryPolicy": {"numRetries": 100, "minDelayTarget": 100, "maxDelayTarget": 100}},
        {"healthyRetryPolicy": {"backoffFunction": "lazy"}},
        {"throttlePolicy": {"maxReceivesPerSecond": 0}},
        {"requestPolicy": {"headerContentType": "image/png"}},
        {"http": {}},
    ],
)
def test_what_is_no_policy_is_refused(policy):
    with pytest.raises(DeliveryPolicyError):
        check_subscription(policy if isinstance(policy, str) else json.dumps(policy))


def test_a_subscriptions_policy_goes_before_the_topics_unless_the_topic_forbids_it():
    topic = {"http": {"defaultHealthyRetryPolicy": {"numRetries": 7}, "defaultThrottlePolicy": {"maxReceivesPerSecond": 3}}}
    own = json.dumps({"healthyRetryPolicy": {"numRetries": 1}})
    check_topic(json.dumps(topic))
    found = effective(own, json.dumps(topic))
    assert (found["healthyRetryPolicy"]["numRetries"], found["throttlePolicy"]) == (1, {"maxReceivesPerSecond": 3})
    topic["http"]["disableSubscriptionOverrides"] = True
    assert effective(own, json.dumps(topic))["healthyRetryPolicy"]["numRetries"] == 7
