"""A REST API as it is now: what a deployment keeps, and what a test of a method runs."""

from __future__ import annotations

from groundcloud.services.apigateway.state import (
    AUTHORIZERS,
    GATEWAY_RESPONSES,
    METHODS,
    MODELS,
    RESOURCES,
    VALIDATORS,
    RestApi,
    Snapshot,
)
from groundcloud.store import Transaction


def as_it_is(tx: Transaction, api: RestApi) -> Snapshot:
    api_id = api.api_id
    return Snapshot(
        api,
        list(RESOURCES.scan(tx, api_id)),
        list(METHODS.scan(tx, api_id)),
        list(MODELS.scan(tx, api_id)),
        list(VALIDATORS.scan(tx, api_id)),
        list(AUTHORIZERS.scan(tx, api_id)),
        list(GATEWAY_RESPONSES.scan(tx, api_id)),
    )
