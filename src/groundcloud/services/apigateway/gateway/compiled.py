"""What a stage comes to once it is deployed: its routes as a tree, its throttles, log format and variables, made once and kept until its API changes.

`Stages` is the cache, keyed by API and stage; an entry is good as long as the API's generation (one read of EXECUTE a request) is the entry's.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from groundcloud.base import arn as arns
from groundcloud.services.apigateway.definitions import FUNCTION_URI, mock_status
from groundcloud.services.apigateway.gateway import paths
from groundcloud.services.apigateway.gateway.context import Format
from groundcloud.services.apigateway.gateway.media_types import BinaryTypes
from groundcloud.services.apigateway.http_definitions import function_of
from groundcloud.services.apigateway.http_state import (
    HTTP_APIS,
    HTTP_SNAPSHOTS,
    HTTP_STAGES,
    HttpAuthorizer,
    Integration,
    Route,
)
from groundcloud.services.apigateway.state import (
    REST_APIS,
    SNAPSHOTS,
    STAGES,
    Authorizer,
    Execute,
    GatewayResponse,
    Method,
    RequestValidator,
    RestApi,
    Snapshot,
    Stage,
    account_settings,
)
from groundcloud.store import Transaction

STAGES_CACHED = 2_000
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")


class Throttle(msgspec.Struct, frozen=True):
    rate: float
    burst: float


class CompiledRoute:
    """One method of a REST API or one route of an HTTP API. `function` is (ARN, account, region) of a function integration."""

    def __init__(self, key: str, path: str, resource_id: str, kind: str, uri: str, stage: CompiledStage, timeout_ms: int) -> None:
        self.key = key
        self.path = path
        self.resource_id = resource_id
        self.kind = kind
        self.uri = with_variables(uri, stage.variables)
        self.names = paths.variable_names(path)
        self.timeout_s = timeout_ms / 1000
        self.function: tuple[str, str, str] | None = None
        self.credentials: str | None = None
        self.throttle: Throttle | None = None
        self.format_2 = False
        self.log_level = "OFF"
        self.data_trace = False
        self.request_parameters: dict[str, str] = {}
        self.authorization = "NONE"
        self.authorizer: Authorizer | HttpAuthorizer | None = None
        self.scopes: list[str] = []
        self.method: Method | None = None
        self.integration: Integration | None = None
        self.validator: RequestValidator | None = None
        self.schemas: dict[str, Any] = {}
        self.mock_statuses: dict[str, int] = {}
        self.mock_responses: list[tuple[re.Pattern[str] | None, dict[str, Any]]] = []

    def source_arn(self, stage: CompiledStage, method: str) -> str:
        """The execute-api ARN of this method, as functions' resource policies name it."""
        tail = "$default" if self.path == "$default" else f"{method}{self.path}"
        return f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/{stage.name}/{tail}"


class CompiledStage:
    def __init__(self, execute: Execute, name: str, deployment_id: str, variables: dict[str, str]) -> None:
        self.kind = execute.kind
        self.api_id = execute.api_id
        self.account = execute.account
        self.region = execute.region
        self.generation = execute.generation
        self.name = name
        self.deployment_id = deployment_id
        self.variables = variables
        self.tree = paths.Node()
        self.api_name = ""
        self.disabled = False
        self.policy: str | None = None
        self.log_format: Format | None = None
        self.log_destination = ""
        self.log_role: str | None = None
        # REST APIs
        self.binary = BinaryTypes([])
        self.api_key_source = "HEADER"
        self.compression_bytes_min: int | None = None
        self.gateway_responses: dict[str, GatewayResponse] = {}
        # HTTP APIs
        self.default_route: CompiledRoute | None = None
        self.cors: dict[str, Any] | None = None

    def logs_to(self, settings: dict[str, str] | None, destination: str, format_member: str) -> None:
        if settings and settings.get(destination) and settings.get(format_member):
            self.log_format = Format(settings[format_member])
            self.log_destination = settings[destination].removesuffix(":*")


class Stages:
    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CompiledStage] = {}

    def get(self, tx: Transaction, execute: Execute, name: str) -> CompiledStage | None:
        """The stage of an API, None if it has none of that name (or one without a deployment). `tx` sees the API's account and region."""
        found = self._compiled.get((execute.api_id, name))
        if found is not None and found.generation == execute.generation:
            return found
        made = _rest_stage(tx, execute, name) if execute.kind == "REST" else _http_stage(tx, execute, name)
        if made is not None:
            if len(self._compiled) >= STAGES_CACHED:
                self._compiled.clear()
            self._compiled[execute.api_id, name] = made
        return made


def with_variables(text: str, variables: dict[str, str]) -> str:
    """`${stageVariables.name}` replaced; an unknown one by nothing."""
    return _STAGE_VARIABLE.sub(lambda match: variables.get(match[1], ""), text) if "${" in text else text


def function_target(function_arn: str) -> tuple[str, str, str]:
    """(ARN, account, region) of a function's ARN; a bare name is in the API's own account and region (two empty texts)."""
    try:
        arn = arns.parse(function_arn)
    except ValueError:
        return function_arn, "", ""
    return function_arn, arn.account, arn.region


def _rest_stage(tx: Transaction, execute: Execute, name: str) -> CompiledStage | None:
    record, api = STAGES.get(tx, execute.api_id, name), REST_APIS.get(tx, execute.api_id)
    snapshot = SNAPSHOTS.get(tx, execute.api_id, record.deployment_id) if record is not None else None
    if record is None or api is None or snapshot is None:
        return None
    return compile_rest(tx, execute, api, record, snapshot)


def compile_rest(tx: Transaction, execute: Execute, api: RestApi, record: Stage, snapshot: Snapshot) -> CompiledStage:
    stage = CompiledStage(execute, record.stage_name, record.deployment_id, record.variables)
    stage.api_name = api.name
    stage.disabled = api.disable_execute_api_endpoint
    stage.policy = snapshot.api.policy
    stage.binary = BinaryTypes(snapshot.api.binary_media_types)
    stage.api_key_source = snapshot.api.api_key_source
    stage.compression_bytes_min = snapshot.api.minimum_compression_size
    stage.gateway_responses = {response.response_type: response for response in snapshot.gateway_responses}
    stage.log_role = account_settings(tx).cloudwatch_role_arn
    stage.logs_to(record.access_log_settings, "destinationArn", "format")
    resources = {resource.resource_id: resource.path for resource in snapshot.resources}
    validators = {validator.validator_id: validator for validator in snapshot.validators}
    authorizers = {authorizer.authorizer_id: authorizer for authorizer in snapshot.authorizers}
    schemas = {model.name: model.schema for model in snapshot.models}
    for method in snapshot.methods:
        path = resources[method.resource_id]
        route = _rest_route(stage, method, path)
        settings = _settings_of(record.method_settings, path, method.http_method)
        route.throttle = _rest_throttle(settings)
        route.log_level = settings.get("loggingLevel", "OFF") if stage.log_role else "OFF"
        route.data_trace = bool(settings.get("dataTraceEnabled"))
        route.authorizer = authorizers.get(method.authorizer_id or "")
        route.validator = validators.get(method.request_validator_id or "")
        route.schemas = {media_type: schemas.get(model) for media_type, model in method.request_models.items()}
        paths.add(stage.tree, path, method.http_method, route)
    return stage


def _rest_route(stage: CompiledStage, method: Method, path: str) -> CompiledRoute:
    integration = method.method_integration or {}
    route = CompiledRoute(
        f"{method.http_method} {path}",
        path,
        method.resource_id,
        integration["type"],
        integration.get("uri") or "",
        stage,
        integration.get("timeoutInMillis") or 29_000,
    )
    route.method = method
    route.authorization = method.authorization_type
    route.scopes = method.authorization_scopes
    route.credentials = integration.get("credentials")
    route.request_parameters = integration.get("requestParameters") or {}
    if route.kind == "AWS_PROXY":
        match = FUNCTION_URI.fullmatch(route.uri)
        route.function = function_target(match[2] if match else "")
    elif route.kind == "MOCK":
        templates = integration.get("requestTemplates") or {}
        route.mock_statuses = {media_type.lower(): mock_status(template) for media_type, template in templates.items()}
        for response in (integration.get("integrationResponses") or {}).values():
            pattern = response.get("selectionPattern")
            route.mock_responses.append((re.compile(pattern) if pattern else None, response))
    return route


def _settings_of(settings: dict[str, dict[str, Any]], path: str, http_method: str) -> dict[str, Any]:
    """The stage's defaults with the method's own over them."""
    escaped = path.replace("/", "~1")
    own = settings.get(f"{escaped}/{http_method}") or settings.get(f"{escaped.removeprefix('~1')}/{http_method}") or {}
    return (settings.get("*/*") or {}) | own


def _rest_throttle(settings: dict[str, Any]) -> Throttle | None:
    rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
    if (rate is None and burst is None) or (rate == -1 and burst == -1):
        return None
    return Throttle(10_000.0 if rate is None else float(rate), 5_000.0 if burst is None else float(burst))


def _http_stage(tx: Transaction, execute: Execute, name: str) -> CompiledStage | None:
    record, api = HTTP_STAGES.get(tx, execute.api_id, name), HTTP_APIS.get(tx, execute.api_id)
    if record is None or api is None or record.deployment_id is None:
        return None
    snapshot = HTTP_SNAPSHOTS.get(tx, execute.api_id, record.deployment_id)
    if snapshot is None:
        return None
    stage = CompiledStage(execute, name, record.deployment_id, record.stage_variables)
    stage.api_name = api.name
    stage.disabled = api.disable_execute_api_endpoint
    stage.cors = api.cors_configuration
    stage.logs_to(record.access_log_settings, "DestinationArn", "Format")
    integrations = {integration.integration_id: integration for integration in snapshot.integrations}
    authorizers = {authorizer.authorizer_id: authorizer for authorizer in snapshot.authorizers}
    for each in snapshot.routes:
        integration = integrations.get((each.target or "").removeprefix("integrations/"))
        route = _http_route(stage, each, integration)
        route.authorizer = authorizers.get(each.authorizer_id or "")
        settings = record.default_route_settings | (record.route_settings.get(each.route_key) or {})
        rate, burst = settings.get("ThrottlingRateLimit"), settings.get("ThrottlingBurstLimit")
        if rate is not None or burst is not None:
            route.throttle = Throttle(10_000.0 if rate is None else float(rate), 5_000.0 if burst is None else float(burst))
        if each.route_key == "$default":
            stage.default_route = route
        else:
            method, _, path = each.route_key.partition(" ")
            paths.add(stage.tree, path, method, route)
    return stage


def _http_route(stage: CompiledStage, record: Route, integration: Integration | None) -> CompiledRoute:
    path = "$default" if record.route_key == "$default" else record.route_key.partition(" ")[2]
    kind = integration.integration_type if integration else ""
    uri = (integration.integration_uri or "") if integration else ""
    route = CompiledRoute(
        record.route_key, path, record.route_id, kind, uri, stage, (integration and integration.timeout_in_millis) or 30_000
    )
    route.authorization = record.authorization_type
    route.scopes = record.authorization_scopes
    if integration is not None:
        route.integration = integration
        route.credentials = integration.credentials_arn
        route.request_parameters = integration.request_parameters
        route.format_2 = integration.payload_format_version == "2.0"
        if kind == "AWS_PROXY":
            route.function = function_target(function_of(route.uri) or "")
    return route
