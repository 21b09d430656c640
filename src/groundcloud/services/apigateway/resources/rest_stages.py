"""AWS::ApiGateway::Deployment, Stage, Account, ApiKey, UsagePlan, UsagePlanKey: how an API is served, and to whom."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.apigateway.resources.shapes import (
    attempt,
    deleted,
    escaped,
    is_own,
    map_patches,
    params_of,
    patches_of,
    retag,
    tags_of,
    text_of,
)

_SETTINGS = {
    "MetricsEnabled": "metrics/enabled",
    "LoggingLevel": "logging/loglevel",
    "DataTraceEnabled": "logging/dataTrace",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
    "CachingEnabled": "caching/enabled",
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CacheDataEncrypted": "caching/dataEncrypted",
}
_LOGS = {"DestinationArn": "destinationArn", "Format": "format"}


@resource_type("AWS::ApiGateway::Deployment")
class DeploymentResource(ResourceType):
    """With a StageName it makes that stage, and takes it away again."""

    properties = {"Description", "RestApiId", "StageDescription", "StageName"}
    required = {"RestApiId"}
    replaces = {"RestApiId"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        described = wanted.get("StageDescription") or {}
        params = params_of("apigateway", "CreateDeployment", {name: wanted.get(name) for name in ("Description", "RestApiId", "StageName")})
        if wanted.get("StageName"):
            params |= params_of(
                "apigateway",
                "CreateDeployment",
                {name: described.get(name) for name in ("Variables", "TracingEnabled", "CacheClusterEnabled")},
            )
            if described.get("Description"):
                params["stageDescription"] = described["Description"]
        answer = await call.request("apigateway", "CreateDeployment", params)
        settings = _setting_patches(None, _of_stage_description(described)) + _log_patches(None, described.get("AccessLogSetting"))
        if settings and wanted.get("StageName"):
            stage = {"restApiId": wanted["RestApiId"], "stageName": wanted["StageName"], "patchOperations": settings}
            await call.request("apigateway", "UpdateStage", stage)
        return Created(answer["id"], {"DeploymentId": answer["id"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        patches = patches_of(resource, {"Description": "/description"})
        params = {"restApiId": resource.properties["RestApiId"], "deploymentId": resource.physical_id, "patchOperations": patches}
        await call.request("apigateway", "UpdateDeployment", params)
        return Created(resource.physical_id, {"DeploymentId": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        api_id, stage_name = resource.properties["RestApiId"], resource.properties.get("StageName")
        if stage_name:
            try:
                stage = await call.request("apigateway", "GetStage", {"restApiId": api_id, "stageName": stage_name})
                if stage["deploymentId"] == resource.physical_id:
                    await call.request("apigateway", "DeleteStage", {"restApiId": api_id, "stageName": stage_name})
            except AwsError as error:
                if error.code != "NotFoundException":
                    raise
        await deleted(call, "apigateway", "DeleteDeployment", {"restApiId": api_id, "deploymentId": resource.physical_id})


@resource_type("AWS::ApiGateway::Stage")
class StageResource(ResourceType):
    properties = {
        "AccessLogSetting",
        "CacheClusterEnabled",
        "DeploymentId",
        "Description",
        "DocumentationVersion",
        "MethodSettings",
        "RestApiId",
        "StageName",
        "Tags",
        "TracingEnabled",
        "Variables",
    }
    required = {"DeploymentId", "RestApiId", "StageName"}
    replaces = {"RestApiId", "StageName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        plain = {name: value for name, value in wanted.items() if name != "Tags"}
        params = params_of("apigateway", "CreateStage", plain) | {"tags": tags_of(resource)}
        with attempt(call, resource) as again:
            if again:
                await deleted(call, "apigateway", "DeleteStage", {"restApiId": wanted["RestApiId"], "stageName": wanted["StageName"]})
            await call.request("apigateway", "CreateStage", params)
        patches = _setting_patches(None, wanted.get("MethodSettings")) + _log_patches(None, wanted.get("AccessLogSetting"))
        if patches:
            try:
                await _update_stage(call, wanted, patches)
            except BaseException:
                await deleted(call, "apigateway", "DeleteStage", {"restApiId": wanted["RestApiId"], "stageName": wanted["StageName"]})
                raise
        return Created(wanted["StageName"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        wanted, old = resource.properties, resource.old_properties
        paths = {
            "DeploymentId": "/deploymentId",
            "Description": "/description",
            "DocumentationVersion": "/documentationVersion",
            "TracingEnabled": "/tracingEnabled",
            "CacheClusterEnabled": "/cacheClusterEnabled",
        }
        patches = patches_of(resource, paths)
        patches += map_patches("/variables", old.get("Variables"), wanted.get("Variables"))
        patches += _setting_patches(old.get("MethodSettings"), wanted.get("MethodSettings"))
        patches += _log_patches(old.get("AccessLogSetting"), wanted.get("AccessLogSetting"))
        await _update_stage(call, wanted, patches)
        await retag(
            call, "apigateway", f"arn:aws:apigateway:{call.region}::/restapis/{wanted['RestApiId']}/stages/{wanted['StageName']}", resource
        )
        return Created(resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        params = {"restApiId": resource.properties["RestApiId"], "stageName": resource.physical_id}
        await deleted(call, "apigateway", "DeleteStage", params)


async def _update_stage(call: Call, properties: dict[str, Any], patches: list[dict[str, str]]) -> None:
    params = {"restApiId": properties["RestApiId"], "stageName": properties["StageName"], "patchOperations": patches}
    await call.request("apigateway", "UpdateStage", params)


def _setting_patches(old: list[dict[str, Any]] | None, new: list[dict[str, Any]] | None) -> list[dict[str, str]]:
    """Templates write `ResourcePath: /pets/{id}` (`/*` for all) and `HttpMethod`; patches have both in their path."""

    def key(setting: dict[str, Any]) -> str:
        path = str(setting.get("ResourcePath") or "/*")
        return f"{'*' if path in ('/*', '*') else escaped(path)}/{setting.get('HttpMethod') or '*'}"

    kept = {key(setting) for setting in new or []}
    patches = [{"op": "remove", "path": f"/{key(setting)}"} for setting in old or [] if key(setting) not in kept]
    for setting in new or []:
        for name, leaf in _SETTINGS.items():
            if setting.get(name) is not None:
                patches.append({"op": "replace", "path": f"/{key(setting)}/{leaf}", "value": text_of(setting[name])})
    return patches


def _of_stage_description(described: dict[str, Any]) -> list[dict[str, Any]]:
    """A StageDescription has settings of its own for all methods, besides MethodSettings."""
    own = {name: described[name] for name in _SETTINGS if described.get(name) is not None}
    return ([{"ResourcePath": "/*", "HttpMethod": "*"} | own] if own else []) + (described.get("MethodSettings") or [])


def _log_patches(old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[dict[str, str]]:
    if not new:
        return [{"op": "remove", "path": "/accessLogSettings"}] if old else []
    return [
        {"op": "replace", "path": f"/accessLogSettings/{member}", "value": str(new[name])}
        for name, member in _LOGS.items()
        if new.get(name)
    ]


@resource_type("AWS::ApiGateway::Account")
class AccountResource(ResourceType):
    """The setting outlives its stack: it is the account's, and other stacks may lean on it."""

    properties = {"CloudWatchRoleArn"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        role_arn = resource.properties.get("CloudWatchRoleArn")
        if role_arn:
            patch = {"op": "replace", "path": "/cloudwatchRoleArn", "value": role_arn}
            await call.request("apigateway", "UpdateAccount", {"patchOperations": [patch]})
        identifier = resource.physical_id or resource.generated_name()
        return Created(identifier, {"Id": identifier})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self.create(call, resource)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        return None


@resource_type("AWS::ApiGateway::ApiKey")
class ApiKeyResource(ResourceType):
    properties = {"CustomerId", "Description", "Enabled", "GenerateDistinctId", "Name", "StageKeys", "Tags", "Value"}
    replaces = {"GenerateDistinctId", "Name", "Value"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = {"Name": resource.generated_name(128)} | {name: value for name, value in resource.properties.items() if name != "Tags"}
        params = params_of("apigateway", "CreateApiKey", wanted) | {"tags": tags_of(resource)}
        with attempt(call, resource) as again:
            if again:
                known = await call.request("apigateway", "GetApiKeys", {"nameQuery": wanted["Name"], "limit": 500})
                for each in known["items"]:
                    if is_own(each.get("tags"), resource):
                        await deleted(call, "apigateway", "DeleteApiKey", {"apiKey": each["id"]})
            answer = await call.request("apigateway", "CreateApiKey", params)
        return Created(answer["id"], {"APIKeyId": answer["id"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        patches = patches_of(resource, {"CustomerId": "/customerId", "Description": "/description", "Enabled": "/enabled"})

        def stages(properties: dict[str, Any]) -> list[str]:
            return [f"{each['RestApiId']}/{each['StageName']}" for each in properties.get("StageKeys") or []]

        old, new = stages(resource.old_properties), stages(resource.properties)
        patches += [{"op": "remove", "path": "/stages", "value": each} for each in old if each not in new]
        patches += [{"op": "add", "path": "/stages", "value": each} for each in new if each not in old]
        await call.request("apigateway", "UpdateApiKey", {"apiKey": resource.physical_id, "patchOperations": patches})
        await retag(call, "apigateway", f"arn:aws:apigateway:{call.region}::/apikeys/{resource.physical_id}", resource)
        return Created(resource.physical_id, {"APIKeyId": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await deleted(call, "apigateway", "DeleteApiKey", {"apiKey": resource.physical_id})


@resource_type("AWS::ApiGateway::UsagePlan")
class UsagePlanResource(ResourceType):
    properties = {"ApiStages", "Description", "Quota", "Tags", "Throttle", "UsagePlanName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = {name: value for name, value in resource.properties.items() if name not in ("Tags", "UsagePlanName")}
        params = params_of("apigateway", "CreateUsagePlan", wanted)
        params |= {"name": resource.properties.get("UsagePlanName") or resource.generated_name(255), "tags": tags_of(resource)}
        with attempt(call, resource) as again:
            if again:
                for each in (await call.request("apigateway", "GetUsagePlans", {"limit": 500}))["items"]:
                    if is_own(each.get("tags"), resource):
                        await _delete_plan(call, each["id"])
            answer = await call.request("apigateway", "CreateUsagePlan", params)
        return Created(answer["id"], {"Id": answer["id"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        patches = patches_of(resource, {"Description": "/description"})
        if resource.properties.get("UsagePlanName") and resource.changed("UsagePlanName"):
            patches.append({"op": "replace", "path": "/name", "value": resource.properties["UsagePlanName"]})
        for name, path, members in (
            ("Throttle", "/throttle", ("RateLimit", "BurstLimit")),
            ("Quota", "/quota", ("Limit", "Offset", "Period")),
        ):
            if not resource.changed(name):
                continue
            value = resource.properties.get(name)
            if not value:
                patches.append({"op": "remove", "path": path})
                continue
            for member in members:
                if value.get(member) is not None:
                    patches.append({"op": "replace", "path": f"{path}/{member[0].lower()}{member[1:]}", "value": text_of(value[member])})
        patches += _plan_stage_patches(resource.old_properties, resource.properties)
        await call.request("apigateway", "UpdateUsagePlan", {"usagePlanId": resource.physical_id, "patchOperations": patches})
        await retag(call, "apigateway", f"arn:aws:apigateway:{call.region}::/usageplans/{resource.physical_id}", resource)
        return Created(resource.physical_id, {"Id": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _delete_plan(call, resource.physical_id)


async def _delete_plan(call: Call, plan_id: str) -> None:
    try:
        plan = await call.request("apigateway", "GetUsagePlan", {"usagePlanId": plan_id})
    except AwsError as error:
        if error.code == "NotFoundException":
            return
        raise
    patches = [{"op": "remove", "path": "/apiStages", "value": f"{each['apiId']}:{each['stage']}"} for each in plan["apiStages"]]
    if patches:
        await call.request("apigateway", "UpdateUsagePlan", {"usagePlanId": plan_id, "patchOperations": patches})
    await deleted(call, "apigateway", "DeleteUsagePlan", {"usagePlanId": plan_id})


def _plan_stage_patches(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, str]]:
    before = {f"{each['ApiId']}:{each['Stage']}": each.get("Throttle") or {} for each in old.get("ApiStages") or []}
    after = {f"{each['ApiId']}:{each['Stage']}": each.get("Throttle") or {} for each in new.get("ApiStages") or []}
    patches = [{"op": "remove", "path": "/apiStages", "value": place} for place in before if before[place] != after.get(place)]
    for place, throttles in after.items():
        if before.get(place) == throttles:
            continue
        patches.append({"op": "add", "path": "/apiStages", "value": place})
        for method, throttle in throttles.items():
            for member, value in throttle.items():
                path = f"/apiStages/{place}/throttle/{escaped(method)}/{member[0].lower()}{member[1:]}"
                patches.append({"op": "replace", "path": path, "value": text_of(value)})
    return patches


@resource_type("AWS::ApiGateway::UsagePlanKey")
class UsagePlanKeyResource(ResourceType):
    properties = {"KeyId", "KeyType", "UsagePlanId"}
    required = properties
    replaces = properties

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        with attempt(call, resource) as again:
            if again:
                await self.delete(call, resource)
            await call.request("apigateway", "CreateUsagePlanKey", params_of("apigateway", "CreateUsagePlanKey", resource.properties))
        identifier = f"{resource.properties['KeyId']}:{resource.properties['UsagePlanId']}"
        return Created(identifier, {"Id": identifier})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        params = {"usagePlanId": resource.properties["UsagePlanId"], "keyId": resource.properties["KeyId"]}
        await deleted(call, "apigateway", "DeleteUsagePlanKey", params)
