"""The composition root: the only file that names every room, and who may answer what."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from groundcloud.auth.principals import Principal
from groundcloud.base.clock import Clock
from groundcloud.http.front import Front
from groundcloud.kernel.ground import Ground
from groundcloud.kernel.identity import IdentityPolicies, KeyOwner, Role
from groundcloud.kernel.settings import Settings
from groundcloud.kernel.telemetry import Reader
from groundcloud.store import Transaction

SERVICES = {
    "apigateway": "groundcloud.services.apigateway",
    "apigatewayv2": "groundcloud.services.apigateway:HTTP_APIS",
    "cloudformation": "groundcloud.services.cloudformation",
    "cloudwatch": "groundcloud.services.cloudwatch",
    "dynamodb": "groundcloud.services.dynamodb",
    "dynamodbstreams": "groundcloud.services.dynamodb:STREAMS",
    "events": "groundcloud.services.events",
    "iam": "groundcloud.services.iam",
    "kinesis": "groundcloud.services.kinesis",
    "kms": "groundcloud.services.kms",
    "lambda": "groundcloud.services.lambda_",
    "logs": "groundcloud.services.logs",
    "s3": "groundcloud.services.s3",
    "s3control": "groundcloud.services.s3:CONTROL",
    "sns": "groundcloud.services.sns",
    "sqs": "groundcloud.services.sqs",
    "sts": "groundcloud.services.sts",
}
"""botocore's service name -> the room."""

NAMESPACES: dict[str, tuple[str, ...]] = {
    "AWS::ApiGateway": ("apigateway",),
    "AWS::ApiGatewayV2": ("apigatewayv2",),
    "AWS::CDK": ("cloudformation",),
    "AWS::CloudFormation": ("cloudformation",),
    "AWS::CloudWatch": ("cloudwatch",),
    "AWS::DynamoDB": ("dynamodb",),
    "AWS::Events": ("events",),
    "AWS::IAM": ("iam",),
    "AWS::Kinesis": ("kinesis",),
    "AWS::KMS": ("kms",),
    "AWS::Lambda": ("lambda",),
    "AWS::Logs": ("logs",),
    "AWS::S3": ("s3",),
    "AWS::SNS": ("sns",),
    "AWS::SQS": ("sqs",),
}
"""First two parts of a CloudFormation type -> the services whose rooms hold such types."""

TARGETS = {"events": "events", "kinesis": "kinesis", "lambda": "lambda", "logs": "logs", "sns": "sns", "sqs": "sqs"}
"""Service of an ARN -> the room that takes deliveries to it."""

ENDPOINTS: dict[str, tuple[str, ...]] = {
    "execute-api": ("apigatewayv2", "apigateway"),
    "lambda-url": ("lambda",),
    "s3-website": ("s3",),
    "s3-preflight": ("s3",),
    "s3-form": ("s3",),
    "sns-certificate": ("sns",),
}
"""Data-plane endpoint -> the services whose rooms may answer it, in order."""

READERS = ("groundcloud.services.cloudwatch.telemetry:reader",)
"""Readers of the telemetry: `reader(ground) -> Reader`."""


class IamDirectory:
    """The kernel's view of the iam room, which is imported when somebody other than an account's root first calls."""

    def __init__(self) -> None:
        self._found: Any = None

    @property
    def _directory(self) -> Any:
        if self._found is None:
            self._found = importlib.import_module("groundcloud.services.iam.directory").DIRECTORY
        return self._found

    def generation(self, tx: Transaction, account: str) -> int:
        return self._directory.generation(tx, account)  # type: ignore[no-any-return]

    def access_key(self, tx: Transaction, access_key_id: str) -> KeyOwner | None:
        return self._directory.access_key(tx, access_key_id)  # type: ignore[no-any-return]

    def policies(self, tx: Transaction, principal: Principal) -> IdentityPolicies:
        return self._directory.policies(tx, principal)  # type: ignore[no-any-return]

    def role(self, tx: Transaction, role_arn: str) -> Role | None:
        return self._directory.role(tx, role_arn)  # type: ignore[no-any-return]


def _reader(place: str) -> Callable[[Ground], Reader]:
    """A reader whose room is imported with its first records."""

    def make(ground: Ground) -> Reader:
        found: list[Reader] = []

        def read(records: list[Any]) -> Any:
            if not found:
                module, _, attribute = place.partition(":")
                found.append(getattr(importlib.import_module(module), attribute)(ground))
            return found[0](records)

        return read

    return make


def create(settings: Settings, *, clock: Clock | None = None) -> tuple[Ground, Front]:
    """The server's parts, not yet listening. Call on the event loop that will run them; then `ground.start()`."""
    ground = Ground(
        settings,
        SERVICES,
        namespaces=NAMESPACES,
        targets=TARGETS,
        directory=IamDirectory(),
        readers=tuple(_reader(place) for place in READERS),
        clock=clock,
    )
    return ground, Front(ground, ENDPOINTS)
