"""AWS::Lambda::LayerVersion, LayerVersionPermission, CodeSigningConfig."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.lambda_.resources import functions


@resource_type("AWS::Lambda::LayerVersion")
class LayerVersionResource(ResourceType):
    properties = {"CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LayerName", "LicenseInfo"}
    required = {"Content"}
    replaces = properties

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        params = {member: value for member, value in resource.properties.items() if value is not None}
        params.setdefault("LayerName", resource.generated_name(140))
        made = await call.request("lambda", "PublishLayerVersion", params)
        return Created(made["LayerVersionArn"], {"LayerVersionArn": made["LayerVersionArn"]})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        layer_arn, _, number = resource.physical_id.rpartition(":")
        await call.request("lambda", "DeleteLayerVersion", {"LayerName": layer_arn, "VersionNumber": int(number)})


@resource_type("AWS::Lambda::LayerVersionPermission")
class LayerVersionPermissionResource(ResourceType):
    properties = {"Action", "LayerVersionArn", "OrganizationId", "Principal"}
    required = {"Action", "LayerVersionArn", "Principal"}
    replaces = properties

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        statement_id = resource.generated_name(100)
        params = {**_layer(wanted), "StatementId": statement_id, "Action": wanted["Action"], "Principal": wanted["Principal"]}
        if wanted.get("OrganizationId"):
            params["OrganizationId"] = wanted["OrganizationId"]
        try:
            await call.request("lambda", "AddLayerVersionPermission", params)
        except AwsError as error:
            if error.code != "ResourceConflictException":
                raise
        return Created(statement_id, {"Id": statement_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request(
                "lambda", "RemoveLayerVersionPermission", {**_layer(resource.properties), "StatementId": resource.physical_id}
            )
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise


def _layer(wanted: dict[str, Any]) -> dict[str, Any]:
    layer_arn, _, number = wanted["LayerVersionArn"].rpartition(":")
    return {"LayerName": layer_arn, "VersionNumber": int(number)}


@resource_type("AWS::Lambda::CodeSigningConfig")
class CodeSigningConfigResource(ResourceType):
    properties = {"AllowedPublishers", "CodeSigningPolicies", "Description", "Tags"}
    required = {"AllowedPublishers"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        params = {**_without_tags(resource), "Tags": functions.tags_of(resource)}
        return _config(await call.request("lambda", "CreateCodeSigningConfig", params))

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        params = {
            "Description": "",
            "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Warn"},
            **_without_tags(resource),
            "CodeSigningConfigArn": resource.physical_id,
        }
        answer = await call.request("lambda", "UpdateCodeSigningConfig", params)
        await functions.set_tags(call, resource.physical_id, functions.tags_of(resource))
        return _config(answer)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("lambda", "DeleteCodeSigningConfig", {"CodeSigningConfigArn": resource.physical_id})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise


def _without_tags(resource: ResourceRequest) -> dict[str, Any]:
    return {member: value for member, value in resource.properties.items() if value is not None and member != "Tags"}


def _config(answer: dict[str, Any]) -> Created:
    config = answer["CodeSigningConfig"]
    return Created(
        config["CodeSigningConfigArn"],
        {"CodeSigningConfigArn": config["CodeSigningConfigArn"], "CodeSigningConfigId": config["CodeSigningConfigId"]},
    )
