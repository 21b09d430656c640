"""RestApis: the API itself, made by hand or from an OpenAPI definition."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import definitions, errors, patches, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import page, rest_document, restored, short_id
from groundcloud.services.apigateway.openapi import rest as definition
from groundcloud.services.apigateway.openapi.source import parse
from groundcloud.services.apigateway.state import (
    AUTHORIZERS,
    GATEWAY_RESPONSES,
    METHODS,
    MODELS,
    OF_ONE_API,
    RESOURCES,
    REST_APIS,
    VALIDATORS,
    Resource,
    RestApi,
)
from groundcloud.store import Transaction

_PATCHES = {
    "name": patches.text,
    "description": patches.text,
    "version": patches.text,
    "binaryMediaTypes": patches.listed,
    "minimumCompressionSize": patches.integer,
    "apiKeySource": patches.text,
    "policy": patches.text,
    "disableExecuteApiEndpoint": patches.flag,
    "endpointConfiguration": patches.nested({"types": patches.listed, "vpcEndpointIds": patches.listed, "ipAddressType": patches.text}),
    "tags": patches.texts,
}


def load_api(call: Call, api_id: str) -> RestApi:
    """Raises NotFoundException."""
    found = REST_APIS.get(call.tx, api_id)
    if found is None:
        raise errors.no_rest_api(call.account, api_id)
    return found


@operation(access=by_path)
def create_rest_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if not request.get("name"):
        raise errors.bad_request("API Name is required")
    source = request.get("cloneFrom")
    if source:
        raise errors.missing("CreateRestApi with cloneFrom")
    api = _checked(
        RestApi(
            short_id(call.random),
            request["name"],
            call.now_s,
            short_id(call.random),
            description=request.get("description"),
            version=request.get("version"),
            binary_media_types=request.get("binaryMediaTypes") or [],
            minimum_compression_size=request.get("minimumCompressionSize"),
            api_key_source=request.get("apiKeySource") or "HEADER",
            endpoint_configuration=_endpoint_configuration(request.get("endpointConfiguration")),
            policy=request.get("policy"),
            tags=request.get("tags") or {},
            disable_execute_api_endpoint=bool(request.get("disableExecuteApiEndpoint")),
        )
    )
    _put_new(call.tx, api)
    return described(api)


@operation(access=by_path)
def get_rest_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(load_api(call, request["restApiId"]))


@operation(access=by_path)
def get_rest_apis(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    found = [described(api) for api in REST_APIS.scan(call.tx)]
    items, position = page(found, request.get("position"), request.get("limit"))
    return {"items": items, "position": position}


@operation(access=by_path)
def update_rest_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    document = patches.apply(rest_document(api), request.get("patchOperations") or [], _PATCHES)
    if not document.get("name"):
        raise errors.bad_request("API Name is required")
    changed = _checked(restored(api, document))
    REST_APIS.put(call.tx, changed)
    state.touch(call.tx, api.api_id)
    return described(changed)


@operation(access=by_path)
def delete_rest_api(call: Call, request: dict[str, Any]) -> None:
    api = load_api(call, request["restApiId"])
    for plan in state.USAGE_PLANS.scan(call.tx):
        if any(stage["apiId"] == api.api_id for stage in plan.api_stages):
            left = [stage for stage in plan.api_stages if stage["apiId"] != api.api_id]
            state.USAGE_PLANS.put(call.tx, plan.replace(api_stages=left))
            state.touch_keys(call.tx)
    state.forget_all(call.tx, OF_ONE_API, api.api_id)
    REST_APIS.delete(call.tx, api.api_id)
    state.EXECUTE.delete(call.tx, api.api_id)


@operation(access=by_path)
def import_rest_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Differs: `failOnWarnings` finds nothing to fail on; what AWS would warn of and ignore is refused by name here."""
    document = parse(request["body"])
    api = RestApi(short_id(call.random), "", call.now_s, short_id(call.random), endpoint_configuration=_endpoint_configuration(None))
    with_settings = _with_parameters(definition.settings(api, document), request.get("parameters") or {})
    if not with_settings.name:
        raise errors.bad_request("Unable to import API: the definition has no title")
    api = _checked(with_settings)
    _put_new(call.tx, api)
    _fill(call, api, document)
    return described(api)


@operation(access=by_path)
def put_rest_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    document = parse(request["body"])
    mode = request.get("mode") or "merge"
    changed = _checked(_with_parameters(definition.settings(api, document, overwrite=mode == "overwrite"), request.get("parameters") or {}))
    if mode == "overwrite":
        for table in (METHODS, MODELS, GATEWAY_RESPONSES, VALIDATORS, AUTHORIZERS):
            state.forget_all(call.tx, (table,), api.api_id)
        for resource in list(RESOURCES.scan(call.tx, api.api_id)):
            if resource.parent_id is not None:
                RESOURCES.delete(call.tx, api.api_id, resource.resource_id)
    REST_APIS.put(call.tx, changed)
    _fill(call, changed, document)
    state.touch(call.tx, api.api_id)
    return described(changed)


def described(api: RestApi) -> dict[str, Any]:
    document = rest_document(api)
    document["disableExecuteApiEndpoint"] = api.disable_execute_api_endpoint
    return document


def resource_at(call: Call, api: RestApi, path: str, known: dict[str, Resource]) -> Resource:
    """The resource of a path, made with its parents where it is not there yet. `known`: path -> resource."""
    found = known.get(path)
    if found is not None:
        return found
    parent_path, _, part = path.rpartition("/")
    parent = resource_at(call, api, parent_path or "/", known)
    resource = Resource(api.api_id, short_id(call.random, 6), parent.resource_id, part, path)
    RESOURCES.put(call.tx, resource)
    known[path] = resource
    return resource


def _put_new(tx: Transaction, api: RestApi) -> None:
    REST_APIS.put(tx, api)
    RESOURCES.put(tx, Resource(api.api_id, api.root_resource_id, None, None, "/"))
    state.register(tx, api.api_id, "REST")


def _fill(call: Call, api: RestApi, document: dict[str, Any]) -> None:
    """Writes what the definition holds: models, validators, authorisers, gateway responses, then resources with their methods."""
    tx = call.tx
    content = definition.read(api.api_id, document, lambda length: short_id(call.random, length))
    for model in content.models:
        MODELS.put(tx, model)
    for validator in content.validators:
        VALIDATORS.put(tx, validator)
    for authorizer in content.authorizers:
        AUTHORIZERS.put(tx, authorizer)
    for response in content.gateway_responses:
        GATEWAY_RESPONSES.put(tx, response)
    known = {resource.path: resource for resource in RESOURCES.scan(tx, api.api_id)}
    for path, methods in content.methods.items():
        resource = resource_at(call, api, path, known)
        for method in methods:
            METHODS.put(tx, method.replace(resource_id=resource.resource_id))


def _with_parameters(api: RestApi, parameters: dict[str, str]) -> RestApi:
    """The import's own parameters. `basepath` and `ignore` change nothing: base paths are ignored, documentation is not kept."""
    types = parameters.get("endpointConfigurationTypes") or parameters.get("EndpointConfigurationTypes")
    if types:
        return api.replace(endpoint_configuration=_endpoint_configuration({"types": types.split(",")}))
    return api


def _endpoint_configuration(given: dict[str, Any] | None) -> dict[str, Any]:
    found = {"types": ["EDGE"], "ipAddressType": "ipv4"} | (given or {})
    if found["types"] == ["PRIVATE"]:
        raise errors.missing("private endpoints")
    return found


def _checked(api: RestApi) -> RestApi:
    if api.minimum_compression_size is not None and not 0 <= api.minimum_compression_size <= 10_485_760:
        raise errors.bad_request("Invalid minimum compression size, must be between 0 and 10485760")
    if api.api_key_source not in ("HEADER", "AUTHORIZER"):
        raise errors.bad_request(f"Invalid API key source {api.api_key_source}")
    if api.policy:
        from groundcloud.auth import documents

        try:
            documents.parse(definitions.expanded_policy(api.policy, "us-east-1", "000000000000", api.api_id), "resource", api.api_id)
        except documents.MalformedPolicy as problem:
            raise AwsError(
                "BadRequestException",
                f"Invalid policy document. Please check the policy syntax and ensure that Principals are valid. {problem}",
            ) from None
    return api
