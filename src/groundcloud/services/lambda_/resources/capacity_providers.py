"""AWS::Lambda::CapacityProvider."""

from __future__ import annotations

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.lambda_.resources.functions import set_tags, tags_of


@resource_type("AWS::Lambda::CapacityProvider")
class CapacityProviderResource(ResourceType):
    """`Ref` is the name."""

    properties = {
        "CapacityProviderName",
        "CapacityProviderScalingConfig",
        "InstanceRequirements",
        "KmsKeyArn",
        "PermissionsConfig",
        "PropagateTags",
        "Tags",
        "TelemetryConfig",
        "VpcConfig",
    }
    required = {"PermissionsConfig", "VpcConfig"}
    replaces = {"CapacityProviderName", "InstanceRequirements", "KmsKeyArn", "PermissionsConfig", "VpcConfig"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        provider_name = resource.properties.get("CapacityProviderName") or resource.generated_name(64)
        params = {member: value for member, value in resource.properties.items() if value is not None}
        params.update(CapacityProviderName=provider_name, Tags=tags_of(resource))
        await call.request("lambda", "CreateCapacityProvider", params)
        return _provider(call, provider_name)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        provider_name, wanted = resource.physical_id, resource.properties
        if resource.changed("CapacityProviderScalingConfig", "PropagateTags", "TelemetryConfig"):
            params = {
                "CapacityProviderName": provider_name,
                "CapacityProviderScalingConfig": wanted.get("CapacityProviderScalingConfig") or {"ScalingMode": "Auto"},
                "PropagateTags": wanted.get("PropagateTags") or {"Mode": "None"},
            }
            if resource.changed("TelemetryConfig"):
                params["TelemetryConfig"] = wanted.get("TelemetryConfig") or {}
            await call.request("lambda", "UpdateCapacityProvider", params)
        await set_tags(call, call.arn("lambda", f"capacity-provider:{provider_name}"), tags_of(resource))
        return _provider(call, provider_name)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("lambda", "DeleteCapacityProvider", {"CapacityProviderName": resource.physical_id})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise


def _provider(call: Call, provider_name: str) -> Created:
    return Created(provider_name, {"Arn": call.arn("lambda", f"capacity-provider:{provider_name}"), "State": "Active"})
