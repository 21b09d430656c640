"""What the room keeps of REST APIs, and the table by which the data plane finds any API.

Records are spelled in snake case; `documents` turns them into the API's documents. `dict` fields hold documents of the API as they are
(camelCase), where AWS defines them as free maps.

    EXECUTE (api_id)                       every API of every account: where it lives; its generation counts the changes that the data plane must see
    REST_APIS, RESOURCES, METHODS, ...     keyed by API id, then by the noun's own id
    KEY_VALUES (value), KEY_PLANS (key, plan), PLAN_KEYS (plan, key)    indexes, written with the record they point at
"""

from __future__ import annotations

from typing import Any, ClassVar

from groundcloud.store import Record, Table, Transaction


class Execute(Record):
    api_id: str
    account: str
    region: str
    kind: str
    generation: int = 1


class RestApi(Record):
    api_id: str
    name: str
    created_date: int
    root_resource_id: str
    description: str | None = None
    version: str | None = None
    binary_media_types: list[str] = []
    minimum_compression_size: int | None = None
    api_key_source: str = "HEADER"
    endpoint_configuration: dict[str, Any] = {}
    policy: str | None = None
    tags: dict[str, str] = {}
    disable_execute_api_endpoint: bool = False
    warnings: list[str] = []

    aws: ClassVar[dict[str, str]] = {"api_id": "id"}


class Resource(Record):
    api_id: str
    resource_id: str
    parent_id: str | None
    path_part: str | None
    path: str

    aws: ClassVar[dict[str, str]] = {"api_id": "", "resource_id": "id"}


class Method(Record):
    """`method_integration` is an Integration document with its `integrationResponses`."""

    api_id: str
    resource_id: str
    http_method: str
    authorization_type: str = "NONE"
    authorizer_id: str | None = None
    api_key_required: bool = False
    request_validator_id: str | None = None
    operation_name: str | None = None
    request_parameters: dict[str, bool] = {}
    request_models: dict[str, str] = {}
    authorization_scopes: list[str] = []
    method_responses: dict[str, dict[str, Any]] = {}
    method_integration: dict[str, Any] | None = None

    aws: ClassVar[dict[str, str]] = {"api_id": "", "resource_id": ""}


class Model(Record):
    api_id: str
    name: str
    model_id: str
    content_type: str
    description: str | None = None
    schema: str | None = None

    aws: ClassVar[dict[str, str]] = {"api_id": "", "model_id": "id"}


class RequestValidator(Record):
    api_id: str
    validator_id: str
    name: str | None = None
    validate_request_body: bool = False
    validate_request_parameters: bool = False

    aws: ClassVar[dict[str, str]] = {"api_id": "", "validator_id": "id"}


class GatewayResponse(Record):
    api_id: str
    response_type: str
    status_code: str | None = None
    response_parameters: dict[str, str] = {}
    response_templates: dict[str, str] = {}

    aws: ClassVar[dict[str, str]] = {"api_id": ""}


class Authorizer(Record):
    """`type` is TOKEN, REQUEST or COGNITO_USER_POOLS."""

    api_id: str
    authorizer_id: str
    name: str
    type: str
    auth_type: str | None = None
    authorizer_uri: str | None = None
    authorizer_credentials: str | None = None
    identity_source: str | None = None
    identity_validation_expression: str | None = None
    authorizer_result_ttl_in_seconds: int | None = 300
    provider_arns: list[str] = []

    aws: ClassVar[dict[str, str]] = {"api_id": "", "authorizer_id": "id", "provider_arns": "providerARNs"}


class Deployment(Record):
    """`api_summary`: path -> method -> {authorizationType, apiKeyRequired}."""

    api_id: str
    deployment_id: str
    created_date: int
    description: str | None = None
    api_summary: dict[str, dict[str, Any]] = {}

    aws: ClassVar[dict[str, str]] = {"api_id": "", "deployment_id": "id"}


class Snapshot(Record):
    """An API as it was when it was deployed. Never changed afterwards."""

    api: RestApi
    resources: list[Resource]
    methods: list[Method]
    models: list[Model] = []
    validators: list[RequestValidator] = []
    authorizers: list[Authorizer] = []
    gateway_responses: list[GatewayResponse] = []


class Stage(Record):
    """`method_settings`: "{resource path without its first slash, ~1 for slashes}/{method}" or "*/*" -> MethodSetting document."""

    api_id: str
    stage_name: str
    deployment_id: str
    created_date: int
    last_updated_date: int
    description: str | None = None
    variables: dict[str, str] = {}
    method_settings: dict[str, dict[str, Any]] = {}
    access_log_settings: dict[str, str] | None = None
    tracing_enabled: bool = False
    cache_cluster_enabled: bool = False
    cache_cluster_status: str = "NOT_AVAILABLE"
    documentation_version: str | None = None
    tags: dict[str, str] = {}

    aws: ClassVar[dict[str, str]] = {"api_id": ""}


class ApiKey(Record):
    key_id: str
    value: str
    name: str | None
    enabled: bool
    created_date: int
    last_updated_date: int
    description: str | None = None
    customer_id: str | None = None
    stage_keys: list[str] = []
    tags: dict[str, str] = {}

    aws: ClassVar[dict[str, str]] = {"key_id": "id"}


class UsagePlan(Record):
    """`api_stages`: [{apiId, stage, throttle: {"/path/METHOD": {rateLimit, burstLimit}}}]; `quota`: {limit, offset, period}."""

    plan_id: str
    name: str
    description: str | None = None
    api_stages: list[dict[str, Any]] = []
    throttle: dict[str, Any] | None = None
    quota: dict[str, Any] | None = None
    product_code: str | None = None
    tags: dict[str, str] = {}

    aws: ClassVar[dict[str, str]] = {"plan_id": "id"}


class Account(Record):
    """One a region. `cloudwatch_role_arn` is the role under which REST APIs write their logs."""

    name: str
    cloudwatch_role_arn: str | None = None

    aws: ClassVar[dict[str, str]] = {"name": ""}


class Usage(Record):
    """Requests that a key made under a plan on one day (UTC, `2026-11-21`), and what was left of its quota at the day's end."""

    plan_id: str
    key_id: str
    day: str
    used: int
    remaining: int


class Generation(Record):
    name: str
    count: int


EXECUTE = Table("apigateway/execute", Execute, key=("api_id",), scope="global")
REST_APIS = Table("apigateway/rest-apis", RestApi, key=("api_id",))
RESOURCES = Table("apigateway/resources", Resource, key=("api_id", "resource_id"))
METHODS = Table("apigateway/methods", Method, key=("api_id", "resource_id", "http_method"))
MODELS = Table("apigateway/models", Model, key=("api_id", "name"))
VALIDATORS = Table("apigateway/validators", RequestValidator, key=("api_id", "validator_id"))
GATEWAY_RESPONSES = Table("apigateway/gateway-responses", GatewayResponse, key=("api_id", "response_type"))
AUTHORIZERS = Table("apigateway/authorizers", Authorizer, key=("api_id", "authorizer_id"))
DEPLOYMENTS = Table("apigateway/deployments", Deployment, key=("api_id", "deployment_id"))
SNAPSHOTS = Table("apigateway/snapshots", Snapshot, key=2)
STAGES = Table("apigateway/stages", Stage, key=("api_id", "stage_name"))
API_KEYS = Table("apigateway/api-keys", ApiKey, key=("key_id",))
KEY_VALUES = Table("apigateway/key-values", str, key=1)
USAGE_PLANS = Table("apigateway/usage-plans", UsagePlan, key=("plan_id",))
PLAN_KEYS: Table[None] = Table("apigateway/plan-keys", None, key=("plan_id", "key_id"))
KEY_PLANS: Table[None] = Table("apigateway/key-plans", None, key=("key_id", "plan_id"))
USAGE = Table("apigateway/usage", Usage, key=("plan_id", "key_id", "day"))
ACCOUNTS = Table("apigateway/accounts", Account, key=("name",))
ATTEMPTS: Table[None] = Table("apigateway/attempts", None, key=("token",))
"""Creations by CloudFormation that have begun and not ended: one that is found begun already was cut short by the server's end."""
GENERATIONS = Table("apigateway/generations", Generation, key=("name",))

OF_ONE_API: tuple[Table[Any], ...] = (
    RESOURCES,
    METHODS,
    MODELS,
    VALIDATORS,
    GATEWAY_RESPONSES,
    AUTHORIZERS,
    DEPLOYMENTS,
    SNAPSHOTS,
    STAGES,
)
"""Tables whose first key part is a REST API's id."""


def register(tx: Transaction, api_id: str, kind: str) -> None:
    EXECUTE.put(tx, Execute(api_id, tx.account, tx.region, kind))


def touch(tx: Transaction, api_id: str) -> None:
    """A change that the data plane must see with its next request: a stage, what it points at, or the API's own settings."""
    found = EXECUTE.get(tx, api_id)
    if found is not None:
        EXECUTE.put(tx, found.replace(generation=found.generation + 1))


def touch_keys(tx: Transaction) -> None:
    """A change of an API key, a usage plan, or which keys a plan has."""
    found = GENERATIONS.get(tx, "keys")
    GENERATIONS.put(tx, Generation("keys", (found.count if found else 0) + 1))


def account_settings(tx: Transaction) -> Account:
    return ACCOUNTS.get(tx, "account") or Account("account")


def forget_all(tx: Transaction, tables: tuple[Table[Any], ...], api_id: str) -> None:
    for table in tables:
        for key in list(table.keys(tx, api_id)):
            table.delete(tx, *key)
