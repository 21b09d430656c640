"""AWS::IAM::Role, AWS::IAM::InstanceProfile, AWS::IAM::ServiceLinkedRole."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.iam.resources import parts


@resource_type("AWS::IAM::Role")
class RoleResource(ResourceType):
    properties = {
        "AssumeRolePolicyDocument",
        "Description",
        "ManagedPolicyArns",
        "MaxSessionDuration",
        "Path",
        "PermissionsBoundary",
        "Policies",
        "RoleName",
        "Tags",
    }
    required = {"AssumeRolePolicyDocument"}
    replaces = {"Path", "RoleName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        name = wanted.get("RoleName") or resource.generated_name(64)
        answer = await parts.request(
            call,
            "CreateRole",
            RoleName=name,
            AssumeRolePolicyDocument=parts.document(wanted["AssumeRolePolicyDocument"]),
            Path=wanted.get("Path"),
            Description=wanted.get("Description"),
            MaxSessionDuration=wanted.get("MaxSessionDuration"),
            PermissionsBoundary=wanted.get("PermissionsBoundary"),
            Tags=parts.tag_list(parts.tags(resource)),
        )
        with parts.made(name):
            await parts.apply_policies(call, "role", name, wanted, {})
        return _role(answer["Role"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name, wanted = resource.physical_id, resource.properties
        if resource.changed("AssumeRolePolicyDocument"):
            text = parts.document(wanted["AssumeRolePolicyDocument"])
            await parts.request(call, "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=text)
        if resource.changed("Description", "MaxSessionDuration"):
            await parts.request(
                call,
                "UpdateRole",
                RoleName=name,
                Description=wanted.get("Description", ""),
                MaxSessionDuration=wanted.get("MaxSessionDuration", 3600),
            )
        await parts.apply_boundary(call, "role", name, resource)
        await parts.apply_policies(call, "role", name, wanted, resource.old_properties)
        await parts.apply_tags(call, "Role", "RoleName", name, parts.tags(resource))
        return _role((await parts.request(call, "GetRole", RoleName=name))["Role"])

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await parts.strip(call, "role", resource.physical_id)
        await parts.removed(call, "DeleteRole", RoleName=resource.physical_id)


def _role(role: dict[str, Any]) -> Created:
    return Created(role["RoleName"], {"Arn": role["Arn"], "RoleId": role["RoleId"]})


@resource_type("AWS::IAM::InstanceProfile")
class InstanceProfileResource(ResourceType):
    properties = {"InstanceProfileName", "Path", "Roles"}
    required = {"Roles"}
    replaces = {"InstanceProfileName", "Path"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.properties.get("InstanceProfileName") or resource.generated_name(128)
        path = resource.properties.get("Path")
        answer = await parts.request(call, "CreateInstanceProfile", InstanceProfileName=name, Path=path)
        with parts.made(name):
            for role_name in resource.properties["Roles"]:
                await parts.request(call, "AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=role_name)
        return Created(name, {"Arn": answer["InstanceProfile"]["Arn"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name, wanted = resource.physical_id, resource.properties["Roles"]
        for role_name in resource.old_properties.get("Roles") or ():
            if role_name not in wanted:
                await parts.removed(call, "RemoveRoleFromInstanceProfile", InstanceProfileName=name, RoleName=role_name)
        for role_name in wanted:
            if role_name not in (resource.old_properties.get("Roles") or ()):
                await parts.request(call, "AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=role_name)
        return Created(name, resource.attributes)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        name = resource.physical_id
        try:
            profile = (await parts.request(call, "GetInstanceProfile", InstanceProfileName=name))["InstanceProfile"]
        except AwsError as error:
            if error.code != parts.NO_SUCH_ENTITY:
                raise
            return
        for role in profile["Roles"]:
            await parts.removed(call, "RemoveRoleFromInstanceProfile", InstanceProfileName=name, RoleName=role["RoleName"])
        await parts.removed(call, "DeleteInstanceProfile", InstanceProfileName=name)


@resource_type("AWS::IAM::ServiceLinkedRole")
class ServiceLinkedRoleResource(ResourceType):
    properties = {"AWSServiceName", "CustomSuffix", "Description"}
    required = {"AWSServiceName"}
    replaces = {"AWSServiceName", "CustomSuffix"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        role = (await parts.request(call, "CreateServiceLinkedRole", **resource.properties))["Role"]
        return Created(role["RoleName"], {"RoleName": role["RoleName"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        description = resource.properties.get("Description", "")
        await parts.request(call, "UpdateRoleDescription", RoleName=resource.physical_id, Description=description)
        return Created(resource.physical_id, {"RoleName": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await parts.removed(call, "DeleteServiceLinkedRole", RoleName=resource.physical_id)
