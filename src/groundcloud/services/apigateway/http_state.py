"""What the room keeps of HTTP APIs. Apart from `state`, because the two services share no noun: their documents are spelled differently (PascalCase here)."""

from __future__ import annotations

from typing import Any, ClassVar

from groundcloud.store import Record, Table


class HttpApi(Record):
    api_id: str
    name: str
    created_date: int
    protocol_type: str = "HTTP"
    route_selection_expression: str = "$request.method $request.path"
    api_key_selection_expression: str = "$request.header.x-api-key"
    cors_configuration: dict[str, Any] | None = None
    description: str | None = None
    disable_execute_api_endpoint: bool = False
    version: str | None = None
    ip_address_type: str = "ipv4"
    tags: dict[str, str] = {}
    warnings: list[str] = []
    import_info: list[str] = []

    aws: ClassVar[dict[str, str]] = {}


class Route(Record):
    api_id: str
    route_id: str
    route_key: str
    target: str | None = None
    authorization_type: str = "NONE"
    authorizer_id: str | None = None
    authorization_scopes: list[str] = []
    api_key_required: bool = False
    operation_name: str | None = None
    api_gateway_managed: bool | None = None

    aws: ClassVar[dict[str, str]] = {"api_id": ""}


class Integration(Record):
    api_id: str
    integration_id: str
    integration_type: str
    integration_uri: str | None = None
    integration_method: str | None = None
    payload_format_version: str | None = None
    connection_type: str | None = "INTERNET"
    credentials_arn: str | None = None
    description: str | None = None
    timeout_in_millis: int | None = 30_000
    request_parameters: dict[str, str] = {}
    response_parameters: dict[str, dict[str, str]] = {}
    tls_config: dict[str, str] | None = None
    api_gateway_managed: bool | None = None

    aws: ClassVar[dict[str, str]] = {"api_id": ""}


class HttpAuthorizer(Record):
    """`authorizer_type` is JWT or REQUEST."""

    api_id: str
    authorizer_id: str
    name: str
    authorizer_type: str
    identity_source: list[str] = []
    authorizer_uri: str | None = None
    authorizer_credentials_arn: str | None = None
    authorizer_payload_format_version: str | None = None
    authorizer_result_ttl_in_seconds: int | None = None
    enable_simple_responses: bool | None = None
    jwt_configuration: dict[str, Any] | None = None

    aws: ClassVar[dict[str, str]] = {"api_id": ""}


class HttpDeployment(Record):
    api_id: str
    deployment_id: str
    created_date: int
    deployment_status: str = "DEPLOYED"
    description: str | None = None
    auto_deployed: bool = False

    aws: ClassVar[dict[str, str]] = {"api_id": ""}


class HttpSnapshot(Record):
    """Routes, integrations and authorizers as they were deployed."""

    routes: list[Route]
    integrations: list[Integration]
    authorizers: list[HttpAuthorizer] = []


class HttpStage(Record):
    """`route_settings`: route key -> RouteSettings document. An `auto_deploy` stage gets a deployment with every change of its API."""

    api_id: str
    stage_name: str
    created_date: int
    last_updated_date: int
    deployment_id: str | None = None
    auto_deploy: bool = False
    description: str | None = None
    stage_variables: dict[str, str] = {}
    default_route_settings: dict[str, Any] = {}
    route_settings: dict[str, dict[str, Any]] = {}
    access_log_settings: dict[str, str] | None = None
    last_deployment_status_message: str | None = None
    tags: dict[str, str] = {}
    api_gateway_managed: bool | None = None

    aws: ClassVar[dict[str, str]] = {"api_id": ""}


HTTP_APIS = Table("apigatewayv2/apis", HttpApi, key=("api_id",))
ROUTES = Table("apigatewayv2/routes", Route, key=("api_id", "route_id"))
INTEGRATIONS = Table("apigatewayv2/integrations", Integration, key=("api_id", "integration_id"))
HTTP_AUTHORIZERS = Table("apigatewayv2/authorizers", HttpAuthorizer, key=("api_id", "authorizer_id"))
HTTP_DEPLOYMENTS = Table("apigatewayv2/deployments", HttpDeployment, key=("api_id", "deployment_id"))
HTTP_SNAPSHOTS = Table("apigatewayv2/snapshots", HttpSnapshot, key=2)
HTTP_STAGES = Table("apigatewayv2/stages", HttpStage, key=("api_id", "stage_name"))

OF_ONE_API: tuple[Table[Any], ...] = (ROUTES, INTEGRATIONS, HTTP_AUTHORIZERS, HTTP_DEPLOYMENTS, HTTP_SNAPSHOTS, HTTP_STAGES)
"""Tables whose first key part is an HTTP API's id."""
