"""Parameters of integrations that the tests share."""

from __future__ import annotations

from typing import Any

REGION = "us-east-1"


def invocation_uri(function_arn: str) -> str:
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function_arn}/invocations"


def mock(body: str = "{}", status: str = "200", **response: Any) -> dict[str, Any]:
    """A mock integration with one answer."""
    return {
        "type": "MOCK",
        "requestTemplates": {"application/json": f'{{"statusCode": {status}}}'},
        "responses": {status: {"responseTemplates": {"application/json": body}, **response}},
    }


def forward(url: str, method: str = "ANY", **more: Any) -> dict[str, Any]:
    """An HTTP_PROXY integration."""
    return {"type": "HTTP_PROXY", "integrationHttpMethod": method, "uri": url, **more}


def lambda_proxy(function_arn: str, **more: Any) -> dict[str, Any]:
    return {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": invocation_uri(function_arn), **more}
