"""AWS::Lambda::ResourcePolicy."""

from __future__ import annotations

import json

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type


@resource_type("AWS::Lambda::ResourcePolicy")
class ResourcePolicyResource(ResourceType):
    """The whole policy of a function, version or alias. `Ref` is the ARN."""

    properties = {"PolicyDocument", "ResourceArn"}
    required = {"PolicyDocument", "ResourceArn"}
    replaces = {"ResourceArn"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        resource_arn, document = resource.properties["ResourceArn"], resource.properties["PolicyDocument"]
        policy = document if isinstance(document, str) else json.dumps(document)
        await call.request("lambda", "PutResourcePolicy", {"ResourceArn": resource_arn, "Policy": policy})
        return Created(resource_arn)

    update = create

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("lambda", "DeleteResourcePolicy", {"ResourceArn": resource.physical_id})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
