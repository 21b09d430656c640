"""Takes orders and tells how they stand. An order with the same `Idempotency-Key` is the same order, however often it comes."""

from __future__ import annotations

import os
import uuid
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import BadRequestError, NotFoundError
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyValidationError

app = APIGatewayRestResolver()
logger = Logger()
orders = boto3.resource("dynamodb").Table(os.environ["ORDERS_TABLE"])
queue = boto3.resource("sqs").Queue(os.environ["ORDERS_QUEUE"])
kept_answers = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])
once = IdempotencyConfig(event_key_jmespath="[customer, token]", payload_validation_jmespath="amount_minor", expires_after_seconds=86_400)


@app.post("/orders")
def place_order() -> Response:
    asked = app.current_event.json_body
    amount_minor = asked.get("amount_minor") if isinstance(asked, dict) else None
    token = app.current_event.headers.get("idempotency-key") or app.current_event.headers.get("Idempotency-Key")
    if not isinstance(amount_minor, int) or amount_minor <= 0:
        raise BadRequestError("amount_minor is required: whole cents, more than 0")
    if not token:
        raise BadRequestError("the header Idempotency-Key is required")
    customer = app.current_event.request_context.authorizer.principal_id
    try:
        order = place(request={"customer": customer, "token": token, "amount_minor": amount_minor})
    except IdempotencyValidationError:
        raise BadRequestError("this Idempotency-Key was used for another amount") from None
    return Response(202, content_type="application/json", body=order)


@app.get("/orders/<order_id>")
def look(order_id: str) -> dict[str, Any]:
    item = orders.get_item(Key={"pk": f"order#{order_id}"}, ConsistentRead=True).get("Item")
    if item is None or item["customer"] != app.current_event.request_context.authorizer.principal_id:
        raise NotFoundError("no such order")
    return {"order_id": order_id, "amount_minor": int(item["amount_minor"]), "state": item["state"]}


@idempotent_function(data_keyword_argument="request", config=once, persistence_store=kept_answers)
def place(request: dict[str, Any]) -> dict[str, Any]:
    order_id = str(uuid.uuid4())
    orders.put_item(
        Item={"pk": f"order#{order_id}", "customer": request["customer"], "amount_minor": request["amount_minor"], "state": "received"}
    )
    queue.send_message(MessageBody=order_id)
    logger.info("placed", order_id=order_id)
    return {"order_id": order_id, "state": "received"}


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    once.register_lambda_context(context)
    return app.resolve(event, context)
