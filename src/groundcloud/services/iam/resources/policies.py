"""AWS::IAM::Policy, AWS::IAM::ManagedPolicy, AWS::IAM::RolePolicy, AWS::IAM::UserPolicy, AWS::IAM::GroupPolicy."""

from __future__ import annotations

from typing import Any, ClassVar

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.iam.limits import VERSIONS_PER_POLICY
from groundcloud.services.iam.names import MEMBERS
from groundcloud.services.iam.resources import parts

_BEARERS = {"Roles": "role", "Users": "user", "Groups": "group"}


def _bearers(properties: dict[str, Any]) -> list[tuple[str, str]]:
    """(kind, name) of every identity that a policy is put on."""
    return [(kind, name) for member, kind in _BEARERS.items() for name in properties.get(member) or ()]


@resource_type("AWS::IAM::Policy")
class PolicyResource(ResourceType):
    """An inline policy, the same on several identities."""

    properties = {"PolicyDocument", "PolicyName", "Groups", "Roles", "Users"}
    required = {"PolicyDocument", "PolicyName"}

    def check(self, properties: dict[str, Any]) -> None:
        super().check(properties)
        if not _bearers(properties):
            raise AwsError("ValidationError", "At least one of [Groups,Roles,Users] must be non-empty.")

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        policy_id = resource.generated_name(64)
        with parts.made(policy_id):
            await self._put(call, resource.properties)
        return Created(policy_id, {"Id": policy_id})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        renamed = resource.changed("PolicyName")
        wanted = _bearers(resource.properties)
        await self._put(call, resource.properties)
        for kind, name in _bearers(resource.old_properties):
            if renamed or (kind, name) not in wanted:
                await self._remove(call, kind, name, resource.old_properties["PolicyName"])
        return Created(resource.physical_id, {"Id": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        for kind, name in _bearers(resource.properties):
            await self._remove(call, kind, name, resource.properties["PolicyName"])

    async def _put(self, call: Call, properties: dict[str, Any]) -> None:
        text = parts.document(properties["PolicyDocument"])
        for kind, name in _bearers(properties):
            params = {MEMBERS[kind]: name, "PolicyName": properties["PolicyName"], "PolicyDocument": text}
            await parts.request(call, f"Put{parts.NOUNS[kind]}Policy", **params)

    async def _remove(self, call: Call, kind: str, name: str, policy_name: str) -> None:
        await parts.removed(call, f"Delete{parts.NOUNS[kind]}Policy", **{MEMBERS[kind]: name, "PolicyName": policy_name})


@resource_type("AWS::IAM::ManagedPolicy")
class ManagedPolicyResource(ResourceType):
    properties = {"Description", "Groups", "ManagedPolicyName", "Path", "PolicyDocument", "Roles", "Tags", "Users"}
    required = {"PolicyDocument"}
    replaces = {"Description", "ManagedPolicyName", "Path"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        answer = await parts.request(
            call,
            "CreatePolicy",
            PolicyName=wanted.get("ManagedPolicyName") or resource.generated_name(128),
            Path=wanted.get("Path"),
            PolicyDocument=parts.document(wanted["PolicyDocument"]),
            Description=wanted.get("Description"),
            Tags=parts.tag_list(parts.tags(resource)),
        )
        policy_arn = answer["Policy"]["Arn"]
        with parts.made(policy_arn):
            for kind, name in _bearers(wanted):
                await parts.request(call, f"Attach{parts.NOUNS[kind]}Policy", **{MEMBERS[kind]: name, "PolicyArn": policy_arn})
        return await self._created(call, policy_arn)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        policy_arn = resource.physical_id
        if resource.changed("PolicyDocument"):
            await self._make_room(call, policy_arn)
            text = parts.document(resource.properties["PolicyDocument"])
            await parts.request(call, "CreatePolicyVersion", PolicyArn=policy_arn, PolicyDocument=text, SetAsDefault=True)
        wanted, before = _bearers(resource.properties), _bearers(resource.old_properties)
        for kind, name in before:
            if (kind, name) not in wanted:
                await parts.removed(call, f"Detach{parts.NOUNS[kind]}Policy", **{MEMBERS[kind]: name, "PolicyArn": policy_arn})
        for kind, name in wanted:
            if (kind, name) not in before:
                await parts.request(call, f"Attach{parts.NOUNS[kind]}Policy", **{MEMBERS[kind]: name, "PolicyArn": policy_arn})
        await parts.apply_tags(call, "Policy", "PolicyArn", policy_arn, parts.tags(resource))
        return await self._created(call, policy_arn)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        policy_arn = resource.physical_id
        for kind, name in _bearers(resource.properties):
            await parts.removed(call, f"Detach{parts.NOUNS[kind]}Policy", **{MEMBERS[kind]: name, "PolicyArn": policy_arn})
        try:
            versions = (await parts.request(call, "ListPolicyVersions", PolicyArn=policy_arn))["Versions"]
        except AwsError as error:
            if error.code != parts.NO_SUCH_ENTITY:
                raise
            return
        for version in versions:
            if not version["IsDefaultVersion"]:
                await parts.removed(call, "DeletePolicyVersion", PolicyArn=policy_arn, VersionId=version["VersionId"])
        await parts.removed(call, "DeletePolicy", PolicyArn=policy_arn)

    async def _make_room(self, call: Call, policy_arn: str) -> None:
        """Deletes the oldest version that is not in force, if there are as many as may be."""
        versions = (await parts.request(call, "ListPolicyVersions", PolicyArn=policy_arn))["Versions"]
        if len(versions) >= VERSIONS_PER_POLICY:
            oldest = [version["VersionId"] for version in versions if not version["IsDefaultVersion"]][-1]
            await parts.removed(call, "DeletePolicyVersion", PolicyArn=policy_arn, VersionId=oldest)

    async def _created(self, call: Call, policy_arn: str) -> Created:
        policy = (await parts.request(call, "GetPolicy", PolicyArn=policy_arn))["Policy"]
        shown = ("AttachmentCount", "DefaultVersionId", "IsAttachable", "PermissionsBoundaryUsageCount", "PolicyId")
        return Created(policy_arn, {"PolicyArn": policy_arn, **{name: policy[name] for name in shown}})


class _InlinePolicyResource(ResourceType):
    """One inline policy on one identity."""

    kind: ClassVar[str] = ""
    required = {"PolicyName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        await self._put(call, resource)
        policy_name, name = resource.properties["PolicyName"], resource.properties[MEMBERS[self.kind]]
        return Created(f"{policy_name}|{name}")

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        await self._put(call, resource)
        return Created(resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        member = MEMBERS[self.kind]
        params = {member: resource.properties[member], "PolicyName": resource.properties["PolicyName"]}
        await parts.removed(call, f"Delete{parts.NOUNS[self.kind]}Policy", **params)

    async def _put(self, call: Call, resource: ResourceRequest) -> None:
        member, wanted = MEMBERS[self.kind], resource.properties
        text = parts.document(wanted["PolicyDocument"])
        params = {member: wanted[member], "PolicyName": wanted["PolicyName"], "PolicyDocument": text}
        await parts.request(call, f"Put{parts.NOUNS[self.kind]}Policy", **params)


@resource_type("AWS::IAM::RolePolicy")
class RolePolicyResource(_InlinePolicyResource):
    kind = "role"
    properties = {"PolicyDocument", "PolicyName", "RoleName"}
    required = {"PolicyDocument", "PolicyName", "RoleName"}
    replaces = {"PolicyName", "RoleName"}


@resource_type("AWS::IAM::UserPolicy")
class UserPolicyResource(_InlinePolicyResource):
    kind = "user"
    properties = {"PolicyDocument", "PolicyName", "UserName"}
    required = {"PolicyDocument", "PolicyName", "UserName"}
    replaces = {"PolicyName", "UserName"}


@resource_type("AWS::IAM::GroupPolicy")
class GroupPolicyResource(_InlinePolicyResource):
    kind = "group"
    properties = {"PolicyDocument", "PolicyName", "GroupName"}
    required = {"PolicyDocument", "PolicyName", "GroupName"}
    replaces = {"PolicyName", "GroupName"}
