"""AWS::ApiGateway::RestApi, Resource, Method, Model, RequestValidator, Authorizer, GatewayResponse: what an API is before it is deployed."""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.apigateway.resources.shapes import (
    attempt,
    body_of,
    deleted,
    is_own,
    list_patches,
    params_of,
    patches_of,
    retag,
    tags_of,
)

_SCALARS = {
    "ApiKeySourceType": "/apiKeySource",
    "Description": "/description",
    "DisableExecuteApiEndpoint": "/disableExecuteApiEndpoint",
    "MinimumCompressionSize": "/minimumCompressionSize",
    "Name": "/name",
    "Policy": "/policy",
}


@resource_type("AWS::ApiGateway::RestApi")
class RestApiResource(ResourceType):
    properties = {
        "ApiKeySourceType",
        "BinaryMediaTypes",
        "Body",
        "BodyS3Location",
        "Description",
        "DisableExecuteApiEndpoint",
        "EndpointConfiguration",
        "FailOnWarnings",
        "MinimumCompressionSize",
        "Mode",
        "Name",
        "Parameters",
        "Policy",
        "Tags",
    }

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        with attempt(call, resource) as again:
            if again:
                for api in (await call.request("apigateway", "GetRestApis", {"limit": 500}))["items"]:
                    if is_own(api.get("tags"), resource):
                        await deleted(call, "apigateway", "DeleteRestApi", {"restApiId": api["id"]})
            return await self._create(call, resource)

    async def _create(self, call: Call, resource: ResourceRequest) -> Created:
        """Made with its tags at once, so that it can be told whose it is; the definition is put into it."""
        wanted = resource.properties
        body = await body_of(call, resource)
        plain = {name: value for name, value in wanted.items() if name not in ("Policy", "Tags")}
        params = {"name": resource.logical_id} | params_of("apigateway", "CreateRestApi", plain) | {"tags": tags_of(resource)}
        answer = await call.request("apigateway", "CreateRestApi", params)
        api_id = answer["id"]
        try:
            if body is not None:
                definition = {"restApiId": api_id, "body": body, "mode": "overwrite", "parameters": _parameters(wanted)}
                await call.request("apigateway", "PutRestApi", definition)
            patches = [
                {"op": "replace", "path": path, "value": _scalar(wanted[name])}
                for name, path in _SCALARS.items()
                if wanted.get(name) is not None
            ]
            if body is not None:
                patches += list_patches("/binaryMediaTypes", [], wanted.get("BinaryMediaTypes"))
                patches += _endpoint_patches(wanted)
            if patches:
                await call.request("apigateway", "UpdateRestApi", {"restApiId": api_id, "patchOperations": patches})
            await retag(call, "apigateway", f"arn:aws:apigateway:{call.region}::/restapis/{api_id}", resource)
        except BaseException:
            await deleted(call, "apigateway", "DeleteRestApi", {"restApiId": api_id})
            raise
        return _api(api_id, answer["rootResourceId"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        api_id, wanted = resource.physical_id, resource.properties
        body = await body_of(call, resource)
        if body is not None and resource.changed("Body", "BodyS3Location", "Parameters", "Mode"):
            params = {"restApiId": api_id, "body": body, "mode": wanted.get("Mode") or "overwrite", "parameters": _parameters(wanted)}
            await call.request("apigateway", "PutRestApi", params)
            patches = [
                {"op": "replace", "path": path, "value": _scalar(wanted[name])}
                for name, path in _SCALARS.items()
                if wanted.get(name) is not None
            ]
            patches += list_patches("/binaryMediaTypes", [], wanted.get("BinaryMediaTypes"))
        else:
            patches = patches_of(resource, _SCALARS)
            patches += list_patches("/binaryMediaTypes", resource.old_properties.get("BinaryMediaTypes"), wanted.get("BinaryMediaTypes"))
        if resource.changed("EndpointConfiguration"):
            patches += _endpoint_patches(wanted)
        answer = await call.request("apigateway", "UpdateRestApi", {"restApiId": api_id, "patchOperations": patches})
        await retag(call, "apigateway", f"arn:aws:apigateway:{call.region}::/restapis/{api_id}", resource)
        return _api(api_id, answer["rootResourceId"])

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await deleted(call, "apigateway", "DeleteRestApi", {"restApiId": resource.physical_id})


def _api(api_id: str, root_resource_id: str) -> Created:
    return Created(api_id, {"RestApiId": api_id, "RootResourceId": root_resource_id})


def _parameters(properties: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in (properties.get("Parameters") or {}).items()}


def _endpoint_patches(properties: dict[str, Any]) -> list[dict[str, str]]:
    types = (properties.get("EndpointConfiguration") or {}).get("Types") or []
    return [{"op": "replace", "path": "/endpointConfiguration/types", "value": ",".join(types)}] if types else []


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)


@resource_type("AWS::ApiGateway::Resource")
class ResourceResource(ResourceType):
    properties = {"ParentId", "PathPart", "RestApiId"}
    required = properties
    replaces = properties

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        with attempt(call, resource) as again:
            if again:
                known = await call.request("apigateway", "GetResources", {"restApiId": wanted["RestApiId"], "limit": 500})
                for each in known["items"]:
                    if (each.get("parentId"), each.get("pathPart")) == (wanted["ParentId"], wanted["PathPart"]):
                        return Created(each["id"], {"ResourceId": each["id"]})
            answer = await call.request("apigateway", "CreateResource", params_of("apigateway", "CreateResource", wanted))
        return Created(answer["id"], {"ResourceId": answer["id"]})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await deleted(
            call, "apigateway", "DeleteResource", {"restApiId": resource.properties["RestApiId"], "resourceId": resource.physical_id}
        )


@resource_type("AWS::ApiGateway::Method")
class MethodResource(ResourceType):
    properties = {
        "ApiKeyRequired",
        "AuthorizationScopes",
        "AuthorizationType",
        "AuthorizerId",
        "HttpMethod",
        "Integration",
        "MethodResponses",
        "OperationName",
        "RequestModels",
        "RequestParameters",
        "RequestValidatorId",
        "ResourceId",
        "RestApiId",
    }
    required = {"HttpMethod", "ResourceId", "RestApiId"}
    replaces = {"HttpMethod", "ResourceId", "RestApiId"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = {"AuthorizationType": "NONE"} | resource.properties
        place = {name: str(wanted[name]) for name in ("RestApiId", "ResourceId", "HttpMethod")}
        place["HttpMethod"] = place["HttpMethod"].upper()
        identifier = f"{place['RestApiId']}|{place['ResourceId']}|{place['HttpMethod']}"
        with attempt(call, resource) as again:
            if again:
                await self._delete(call, identifier)
            await self._put(call, wanted, place)
        return Created(identifier)

    async def _put(self, call: Call, wanted: dict[str, Any], place: dict[str, str]) -> None:
        await call.request("apigateway", "PutMethod", params_of("apigateway", "PutMethod", wanted | place))
        for response in wanted.get("MethodResponses") or []:
            await call.request("apigateway", "PutMethodResponse", params_of("apigateway", "PutMethodResponse", response | place))
        integration = wanted.get("Integration")
        if integration:
            await call.request("apigateway", "PutIntegration", params_of("apigateway", "PutIntegration", integration | place))
            for response in integration.get("IntegrationResponses") or []:
                await call.request(
                    "apigateway", "PutIntegrationResponse", params_of("apigateway", "PutIntegrationResponse", response | place)
                )

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        """Made anew: what is deployed is a snapshot and does not notice."""
        await self.delete(call, resource)
        return await self.create(call, resource)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await self._delete(call, resource.physical_id)

    async def _delete(self, call: Call, identifier: str) -> None:
        api_id, resource_id, http_method = identifier.split("|")
        await deleted(call, "apigateway", "DeleteMethod", {"restApiId": api_id, "resourceId": resource_id, "httpMethod": http_method})


@resource_type("AWS::ApiGateway::Model")
class ModelResource(ResourceType):
    properties = {"ContentType", "Description", "Name", "RestApiId", "Schema"}
    required = {"RestApiId"}
    replaces = {"ContentType", "Name", "RestApiId"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        params: dict[str, Any] = {"ContentType": "application/json", "Name": resource.random_suffix} | resource.properties
        if "Schema" in params and not isinstance(params["Schema"], str):
            params["Schema"] = msgspec.json.encode(params["Schema"]).decode()
        with attempt(call, resource) as again:
            if again:
                await deleted(call, "apigateway", "DeleteModel", {"restApiId": params["RestApiId"], "modelName": params["Name"]})
            answer = await call.request("apigateway", "CreateModel", params_of("apigateway", "CreateModel", params))
        return Created(answer["name"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        patches = patches_of(resource, {"Schema": "/schema", "Description": "/description"})
        params = {"restApiId": resource.properties["RestApiId"], "modelName": resource.physical_id, "patchOperations": patches}
        await call.request("apigateway", "UpdateModel", params)
        return Created(resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await deleted(call, "apigateway", "DeleteModel", {"restApiId": resource.properties["RestApiId"], "modelName": resource.physical_id})


@resource_type("AWS::ApiGateway::RequestValidator")
class RequestValidatorResource(ResourceType):
    properties = {"Name", "RestApiId", "ValidateRequestBody", "ValidateRequestParameters"}
    required = {"RestApiId"}
    replaces = {"Name", "RestApiId"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        params = params_of("apigateway", "CreateRequestValidator", resource.properties)
        answer = await call.request("apigateway", "CreateRequestValidator", params)
        return Created(answer["id"], {"RequestValidatorId": answer["id"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        paths = {"ValidateRequestBody": "/validateRequestBody", "ValidateRequestParameters": "/validateRequestParameters"}
        params = {
            "restApiId": resource.properties["RestApiId"],
            "requestValidatorId": resource.physical_id,
            "patchOperations": patches_of(resource, paths),
        }
        await call.request("apigateway", "UpdateRequestValidator", params)
        return Created(resource.physical_id, {"RequestValidatorId": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        params = {"restApiId": resource.properties["RestApiId"], "requestValidatorId": resource.physical_id}
        await deleted(call, "apigateway", "DeleteRequestValidator", params)


@resource_type("AWS::ApiGateway::Authorizer")
class AuthorizerResource(ResourceType):
    properties = {
        "AuthType",
        "AuthorizerCredentials",
        "AuthorizerResultTtlInSeconds",
        "AuthorizerUri",
        "IdentitySource",
        "IdentityValidationExpression",
        "Name",
        "ProviderARNs",
        "RestApiId",
        "Type",
    }
    required = {"Name", "RestApiId", "Type"}
    replaces = {"RestApiId"}
    _paths = {
        "AuthType": "/authType",
        "AuthorizerCredentials": "/authorizerCredentials",
        "AuthorizerResultTtlInSeconds": "/authorizerResultTtlInSeconds",
        "AuthorizerUri": "/authorizerUri",
        "IdentitySource": "/identitySource",
        "IdentityValidationExpression": "/identityValidationExpression",
        "Name": "/name",
        "Type": "/type",
    }

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        with attempt(call, resource) as again:
            if again:
                known = await call.request("apigateway", "GetAuthorizers", {"restApiId": resource.properties["RestApiId"], "limit": 500})
                for each in known["items"]:
                    if each["name"] == resource.properties["Name"]:
                        return Created(each["id"], {"AuthorizerId": each["id"]})
            answer = await call.request("apigateway", "CreateAuthorizer", params_of("apigateway", "CreateAuthorizer", resource.properties))
        return Created(answer["id"], {"AuthorizerId": answer["id"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        params = {
            "restApiId": resource.properties["RestApiId"],
            "authorizerId": resource.physical_id,
            "patchOperations": patches_of(resource, self._paths),
        }
        await call.request("apigateway", "UpdateAuthorizer", params)
        return Created(resource.physical_id, {"AuthorizerId": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        params = {"restApiId": resource.properties["RestApiId"], "authorizerId": resource.physical_id}
        await deleted(call, "apigateway", "DeleteAuthorizer", params)


@resource_type("AWS::ApiGateway::GatewayResponse")
class GatewayResponseResource(ResourceType):
    properties = {"ResponseParameters", "ResponseTemplates", "ResponseType", "RestApiId", "StatusCode"}
    required = {"ResponseType", "RestApiId"}
    replaces = {"ResponseType", "RestApiId"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        await call.request("apigateway", "PutGatewayResponse", params_of("apigateway", "PutGatewayResponse", resource.properties))
        identifier = resource.generated_name()
        return Created(identifier, {"Id": identifier})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        await call.request("apigateway", "PutGatewayResponse", params_of("apigateway", "PutGatewayResponse", resource.properties))
        return Created(resource.physical_id, {"Id": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        params = {"restApiId": resource.properties["RestApiId"], "responseType": resource.properties["ResponseType"]}
        await deleted(call, "apigateway", "DeleteGatewayResponse", params)
