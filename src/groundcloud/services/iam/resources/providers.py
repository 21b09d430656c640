"""AWS::IAM::OIDCProvider, AWS::IAM::SAMLProvider."""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.iam.resources import parts


@resource_type("AWS::IAM::OIDCProvider")
class OidcProviderResource(ResourceType):
    properties = {"ClientIdList", "Tags", "ThumbprintList", "Url"}
    replaces = {"Url"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        answer = await parts.request(
            call,
            "CreateOpenIDConnectProvider",
            Url=wanted.get("Url"),
            ClientIDList=wanted.get("ClientIdList"),
            ThumbprintList=wanted.get("ThumbprintList"),
            Tags=parts.tag_list(parts.tags(resource)),
        )
        arn = answer["OpenIDConnectProviderArn"]
        return Created(arn, {"Arn": arn})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        arn = resource.physical_id
        wanted, before = resource.properties.get("ClientIdList") or [], resource.old_properties.get("ClientIdList") or []
        for client_id in before:
            if client_id not in wanted:
                await parts.request(call, "RemoveClientIDFromOpenIDConnectProvider", OpenIDConnectProviderArn=arn, ClientID=client_id)
        for client_id in wanted:
            if client_id not in before:
                await parts.request(call, "AddClientIDToOpenIDConnectProvider", OpenIDConnectProviderArn=arn, ClientID=client_id)
        if resource.changed("ThumbprintList"):
            thumbprints = resource.properties.get("ThumbprintList") or []
            await parts.request(call, "UpdateOpenIDConnectProviderThumbprint", OpenIDConnectProviderArn=arn, ThumbprintList=thumbprints)
        await parts.apply_tags(call, "OpenIDConnectProvider", "OpenIDConnectProviderArn", arn, parts.tags(resource))
        return Created(arn, {"Arn": arn})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await parts.removed(call, "DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=resource.physical_id)


@resource_type("AWS::IAM::SAMLProvider")
class SamlProviderResource(ResourceType):
    properties = {"Name", "SamlMetadataDocument", "Tags"}
    required = {"SamlMetadataDocument"}
    replaces = {"Name"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        answer = await parts.request(
            call,
            "CreateSAMLProvider",
            Name=resource.properties.get("Name") or resource.generated_name(128),
            SAMLMetadataDocument=resource.properties["SamlMetadataDocument"],
            Tags=parts.tag_list(parts.tags(resource)),
        )
        arn = answer["SAMLProviderArn"]
        return Created(arn, {"Arn": arn})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        arn = resource.physical_id
        if resource.changed("SamlMetadataDocument"):
            document = resource.properties["SamlMetadataDocument"]
            await parts.request(call, "UpdateSAMLProvider", SAMLProviderArn=arn, SAMLMetadataDocument=document)
        await parts.apply_tags(call, "SAMLProvider", "SAMLProviderArn", arn, parts.tags(resource))
        return Created(arn, {"Arn": arn})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await parts.removed(call, "DeleteSAMLProvider", SAMLProviderArn=resource.physical_id)
