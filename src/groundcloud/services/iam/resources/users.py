"""AWS::IAM::User, AWS::IAM::Group, AWS::IAM::UserToGroupAddition, AWS::IAM::AccessKey."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.iam.resources import parts


@resource_type("AWS::IAM::User")
class UserResource(ResourceType):
    properties = {"Groups", "LoginProfile", "ManagedPolicyArns", "Path", "PermissionsBoundary", "Policies", "Tags", "UserName"}
    replaces = {"UserName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        name = wanted.get("UserName") or resource.generated_name(64)
        answer = await parts.request(
            call,
            "CreateUser",
            UserName=name,
            Path=wanted.get("Path"),
            PermissionsBoundary=wanted.get("PermissionsBoundary"),
            Tags=parts.tag_list(parts.tags(resource)),
        )
        with parts.made(name):
            await parts.apply_policies(call, "user", name, wanted, {})
            await self._join(call, name, wanted, {})
            if profile := wanted.get("LoginProfile"):
                await parts.request(call, "CreateLoginProfile", UserName=name, **profile)
        return Created(name, {"Arn": answer["User"]["Arn"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name, wanted, old = resource.physical_id, resource.properties, resource.old_properties
        if resource.changed("Path"):
            await parts.request(call, "UpdateUser", UserName=name, NewPath=wanted.get("Path", "/"))
        await parts.apply_boundary(call, "user", name, resource)
        await parts.apply_policies(call, "user", name, wanted, old)
        await self._join(call, name, wanted, old)
        await self._login(call, name, wanted.get("LoginProfile"), old.get("LoginProfile"))
        await parts.apply_tags(call, "User", "UserName", name, parts.tags(resource))
        return Created(name, {"Arn": (await parts.request(call, "GetUser", UserName=name))["User"]["Arn"]})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        name = resource.physical_id
        try:
            joined = (await parts.request(call, "ListGroupsForUser", UserName=name))["Groups"]
        except AwsError as error:
            if error.code != parts.NO_SUCH_ENTITY:
                raise
            return
        for group in joined:
            await parts.removed(call, "RemoveUserFromGroup", GroupName=group["GroupName"], UserName=name)
        await parts.removed(call, "DeleteLoginProfile", UserName=name)
        await parts.strip(call, "user", name)
        await parts.removed(call, "DeleteUser", UserName=name)

    async def _join(self, call: Call, name: str, new: dict[str, Any], old: dict[str, Any]) -> None:
        wanted, before = new.get("Groups") or [], old.get("Groups") or []
        for group_name in before:
            if group_name not in wanted:
                await parts.removed(call, "RemoveUserFromGroup", GroupName=group_name, UserName=name)
        for group_name in wanted:
            if group_name not in before:
                await parts.request(call, "AddUserToGroup", GroupName=group_name, UserName=name)

    async def _login(self, call: Call, name: str, new: dict[str, Any] | None, old: dict[str, Any] | None) -> None:
        if new == old:
            return
        if new is None:
            await parts.removed(call, "DeleteLoginProfile", UserName=name)
        else:
            await parts.request(call, "CreateLoginProfile" if old is None else "UpdateLoginProfile", UserName=name, **new)


@resource_type("AWS::IAM::Group")
class GroupResource(ResourceType):
    properties = {"GroupName", "ManagedPolicyArns", "Path", "Policies"}
    replaces = {"GroupName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.properties.get("GroupName") or resource.generated_name(128)
        answer = await parts.request(call, "CreateGroup", GroupName=name, Path=resource.properties.get("Path"))
        with parts.made(name):
            await parts.apply_policies(call, "group", name, resource.properties, {})
        return Created(name, {"Arn": answer["Group"]["Arn"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.physical_id
        if resource.changed("Path"):
            await parts.request(call, "UpdateGroup", GroupName=name, NewPath=resource.properties.get("Path", "/"))
        await parts.apply_policies(call, "group", name, resource.properties, resource.old_properties)
        return Created(name, {"Arn": (await parts.request(call, "GetGroup", GroupName=name))["Group"]["Arn"]})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await parts.strip(call, "group", resource.physical_id)
        await parts.removed(call, "DeleteGroup", GroupName=resource.physical_id)


@resource_type("AWS::IAM::UserToGroupAddition")
class UserToGroupAdditionResource(ResourceType):
    properties = {"GroupName", "Users"}
    required = {"GroupName", "Users"}
    replaces = {"GroupName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        addition_id = resource.generated_name(64)
        with parts.made(addition_id):
            await self._add(call, resource, resource.properties["Users"])
        return Created(addition_id, {"Id": addition_id})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        wanted, before = resource.properties["Users"], resource.old_properties["Users"]
        await self._remove(call, resource, [user for user in before if user not in wanted])
        await self._add(call, resource, [user for user in wanted if user not in before])
        return Created(resource.physical_id, {"Id": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await self._remove(call, resource, resource.properties["Users"])

    async def _add(self, call: Call, resource: ResourceRequest, user_names: list[str]) -> None:
        for user_name in user_names:
            await parts.request(call, "AddUserToGroup", GroupName=resource.properties["GroupName"], UserName=user_name)

    async def _remove(self, call: Call, resource: ResourceRequest, user_names: list[str]) -> None:
        for user_name in user_names:
            await parts.removed(call, "RemoveUserFromGroup", GroupName=resource.properties["GroupName"], UserName=user_name)


@resource_type("AWS::IAM::AccessKey")
class AccessKeyResource(ResourceType):
    """GetAtt SecretAccessKey is the secret: it is then in the stack's state, as on AWS."""

    properties = {"Serial", "Status", "UserName"}
    required = {"UserName"}
    replaces = {"Serial", "UserName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        user_name = resource.properties["UserName"]
        key = (await parts.request(call, "CreateAccessKey", UserName=user_name))["AccessKey"]
        with parts.made(key["AccessKeyId"]):
            if resource.properties.get("Status", "Active") != "Active":
                await self._set_status(call, user_name, key["AccessKeyId"], resource.properties["Status"])
        return Created(key["AccessKeyId"], {"SecretAccessKey": key["SecretAccessKey"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        user_name, status = resource.properties["UserName"], resource.properties.get("Status", "Active")
        await self._set_status(call, user_name, resource.physical_id, status)
        return Created(resource.physical_id, resource.attributes)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        user_name = resource.properties["UserName"]
        await parts.removed(call, "DeleteAccessKey", UserName=user_name, AccessKeyId=resource.physical_id)

    async def _set_status(self, call: Call, user_name: str, access_key_id: str, status: str) -> None:
        await parts.request(call, "UpdateAccessKey", UserName=user_name, AccessKeyId=access_key_id, Status=status)
