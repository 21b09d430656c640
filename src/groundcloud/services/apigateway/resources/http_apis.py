"""AWS::ApiGatewayV2::Api, Route, Integration, Stage, Deployment, Authorizer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.apigateway.resources.shapes import attempt, body_of, deleted, is_own, params_of, retag, tags_of

V2 = "apigatewayv2"


@resource_type("AWS::ApiGatewayV2::Api")
class ApiResource(ResourceType):
    properties = {
        "ApiKeySelectionExpression",
        "Body",
        "BodyS3Location",
        "CorsConfiguration",
        "CredentialsArn",
        "Description",
        "DisableExecuteApiEndpoint",
        "FailOnWarnings",
        "IpAddressType",
        "Name",
        "ProtocolType",
        "RouteKey",
        "RouteSelectionExpression",
        "Tags",
        "Target",
        "Version",
    }
    replaces = {"ProtocolType"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        with attempt(call, resource) as again:
            if again:
                for api in (await call.request(V2, "GetApis", {"MaxResults": "500"}))["Items"]:
                    if is_own(api.get("Tags"), resource):
                        await deleted(call, V2, "DeleteApi", {"ApiId": api["ApiId"]})
            return await self._create(call, resource)

    async def _create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = {name: value for name, value in resource.properties.items() if name != "Tags"}
        body = await body_of(call, resource)
        params = {"ProtocolType": "HTTP", "Name": resource.logical_id} | params_of(V2, "CreateApi", wanted) | {"Tags": tags_of(resource)}
        answer = await call.request(V2, "CreateApi", params)
        try:
            if body is not None:
                answer = await call.request(V2, "ReimportApi", {"ApiId": answer["ApiId"], "Body": body.decode()})
                answer = await _override(call, answer, wanted)
            await retag(call, V2, _arn(call, answer["ApiId"]), _with_own_tags(resource, answer))
        except BaseException:
            await deleted(call, V2, "DeleteApi", {"ApiId": answer["ApiId"]})
            raise
        return _api(answer)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        api_id = resource.physical_id
        wanted = {name: value for name, value in resource.properties.items() if name != "Tags"}
        body = await body_of(call, resource)
        if body is not None:
            answer = await call.request(V2, "ReimportApi", {"ApiId": api_id, "Body": body.decode()})
            answer = await _override(call, answer, wanted)
        else:
            if resource.changed("CorsConfiguration") and not wanted.get("CorsConfiguration"):
                await call.request(V2, "DeleteCorsConfiguration", {"ApiId": api_id})
            changed = {name: value for name, value in wanted.items() if resource.changed(name)}
            answer = await call.request(V2, "UpdateApi", {"ApiId": api_id} | params_of(V2, "UpdateApi", changed))
        await retag(call, V2, _arn(call, api_id), _with_own_tags(resource, answer))
        return _api(answer)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await deleted(call, V2, "DeleteApi", {"ApiId": resource.physical_id})


async def _override(call: Call, answer: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Properties beside a Body win over it."""
    params = params_of(V2, "UpdateApi", wanted)
    return await call.request(V2, "UpdateApi", {"ApiId": answer["ApiId"]} | params) if params else answer


def _with_own_tags(resource: ResourceRequest, answer: dict[str, Any]) -> ResourceRequest:
    """The definition's own tags stay."""
    stack = {name: value for name, value in (answer.get("Tags") or {}).items() if not name.startswith("aws:")}
    if resource.properties.get("Body") is None:
        return resource
    return replace(resource, tags={**stack, **resource.tags})


def _arn(call: Call, api_id: str) -> str:
    return f"arn:aws:apigateway:{call.region}::/apis/{api_id}"


def _api(answer: dict[str, Any]) -> Created:
    return Created(answer["ApiId"], {"ApiId": answer["ApiId"], "ApiEndpoint": answer["ApiEndpoint"]})


class _Part(ResourceType):
    """What belongs to one API: made, changed and deleted by operations of one pattern."""

    noun = ""
    identifier = ""
    key = ""
    """The member that may not be there twice."""

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        operation = f"Create{self.noun}"
        params = params_of(V2, operation, {name: value for name, value in resource.properties.items() if name != "Tags"})
        with attempt(call, resource) as again:
            if again:
                for each in (await call.request(V2, f"Get{self.noun}s", {"ApiId": params["ApiId"], "MaxResults": "500"}))["Items"]:
                    if self.key and each.get(self.key) == params.get(self.key):
                        await deleted(call, V2, f"Delete{self.noun}", {"ApiId": params["ApiId"], self.identifier: each[self.identifier]})
            answer = await call.request(V2, operation, params)
        return self._created(answer[self.identifier])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        operation = f"Update{self.noun}"
        changed = {name: value for name, value in resource.properties.items() if resource.changed(name) and name != "Tags"}
        params = params_of(V2, operation, changed)
        params |= {"ApiId": resource.properties["ApiId"], self.identifier: resource.physical_id}
        await call.request(V2, operation, params)
        return self._created(resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await deleted(call, V2, f"Delete{self.noun}", {"ApiId": resource.properties["ApiId"], self.identifier: resource.physical_id})

    def _created(self, identifier: str) -> Created:
        return Created(identifier, {self.identifier: identifier})


@resource_type("AWS::ApiGatewayV2::Route")
class RouteResource(_Part):
    noun, identifier, key = "Route", "RouteId", "RouteKey"
    properties = {
        "ApiId",
        "ApiKeyRequired",
        "AuthorizationScopes",
        "AuthorizationType",
        "AuthorizerId",
        "OperationName",
        "RouteKey",
        "Target",
    }
    required = {"ApiId", "RouteKey"}
    replaces = {"ApiId"}


@resource_type("AWS::ApiGatewayV2::Integration")
class IntegrationResource(_Part):
    noun, identifier = "Integration", "IntegrationId"
    properties = {
        "ApiId",
        "ConnectionType",
        "CredentialsArn",
        "Description",
        "IntegrationMethod",
        "IntegrationType",
        "IntegrationUri",
        "PayloadFormatVersion",
        "RequestParameters",
        "ResponseParameters",
        "TimeoutInMillis",
        "TlsConfig",
    }
    required = {"ApiId", "IntegrationType"}
    replaces = {"ApiId"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        return await super().create(call, _with_parameters(resource))

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await super().update(call, _with_parameters(resource))


def _with_parameters(resource: ResourceRequest) -> ResourceRequest:
    """Response parameters as the API takes them (templates list destinations and sources), and an empty value for each that goes."""
    wanted = dict(resource.properties)
    given: dict[str, Any] = wanted.get("ResponseParameters") or {}
    wanted["ResponseParameters"] = {
        code: {each["Destination"]: each["Source"] for each in listed.get("ResponseParameters") or []} for code, listed in given.items()
    }
    gone = set(resource.old_properties.get("RequestParameters") or {}) - set(wanted.get("RequestParameters") or {})
    if gone:
        wanted["RequestParameters"] = dict.fromkeys(gone, "") | (wanted.get("RequestParameters") or {})
    for code in set(resource.old_properties.get("ResponseParameters") or {}) - set(given):
        wanted["ResponseParameters"][code] = {}
    if not wanted["ResponseParameters"]:
        del wanted["ResponseParameters"]
    return replace(resource, properties=wanted)


@resource_type("AWS::ApiGatewayV2::Authorizer")
class AuthorizerResource(_Part):
    noun, identifier = "Authorizer", "AuthorizerId"
    properties = {
        "ApiId",
        "AuthorizerCredentialsArn",
        "AuthorizerPayloadFormatVersion",
        "AuthorizerResultTtlInSeconds",
        "AuthorizerType",
        "AuthorizerUri",
        "EnableSimpleResponses",
        "IdentitySource",
        "JwtConfiguration",
        "Name",
    }
    required = {"ApiId", "AuthorizerType", "Name"}
    replaces = {"ApiId"}


@resource_type("AWS::ApiGatewayV2::Deployment")
class DeploymentResource(_Part):
    noun, identifier = "Deployment", "DeploymentId"
    properties = {"ApiId", "Description", "StageName"}
    required = {"ApiId"}
    replaces = {"ApiId"}

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        params = {"ApiId": resource.properties["ApiId"], "DeploymentId": resource.physical_id}
        if resource.properties.get("Description") is not None:
            params["Description"] = resource.properties["Description"]
        await call.request(V2, "UpdateDeployment", params)
        return self._created(resource.physical_id)


@resource_type("AWS::ApiGatewayV2::Stage")
class StageResource(_Part):
    noun, identifier = "Stage", "StageName"
    properties = {
        "AccessLogSettings",
        "ApiId",
        "AutoDeploy",
        "DefaultRouteSettings",
        "DeploymentId",
        "Description",
        "RouteSettings",
        "StageName",
        "StageVariables",
        "Tags",
    }
    required = {"ApiId", "StageName"}
    replaces = {"ApiId", "StageName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = {name: value for name, value in resource.properties.items() if name != "Tags"}
        params = params_of(V2, "CreateStage", wanted) | {"Tags": tags_of(resource)}
        with attempt(call, resource) as again:
            if again:
                await deleted(call, V2, "DeleteStage", {"ApiId": params["ApiId"], "StageName": params["StageName"]})
            await call.request(V2, "CreateStage", params)
        return Created(resource.properties["StageName"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        api_id, name = resource.properties["ApiId"], resource.physical_id
        old = resource.old_properties
        if old.get("AccessLogSettings") and not resource.properties.get("AccessLogSettings"):
            await call.request(V2, "DeleteAccessLogSettings", {"ApiId": api_id, "StageName": name})
        for key in set(old.get("RouteSettings") or {}) - set(resource.properties.get("RouteSettings") or {}):
            await deleted(call, V2, "DeleteRouteSettings", {"ApiId": api_id, "StageName": name, "RouteKey": key})
        variables = dict.fromkeys(old.get("StageVariables") or {}, "") | (resource.properties.get("StageVariables") or {})
        wanted = {member: value for member, value in resource.properties.items() if member != "Tags" and resource.changed(member)}
        params = params_of(V2, "UpdateStage", wanted | ({"StageVariables": variables} if resource.changed("StageVariables") else {}))
        if resource.changed("DefaultRouteSettings") and not resource.properties.get("DefaultRouteSettings"):
            params["DefaultRouteSettings"] = {}
        await call.request(V2, "UpdateStage", params | {"ApiId": api_id, "StageName": name})
        await retag(call, V2, f"{_arn(call, api_id)}/stages/{name}", resource)
        return Created(name)
