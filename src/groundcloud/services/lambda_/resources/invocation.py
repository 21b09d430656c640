"""AWS::Lambda::Permission, EventSourceMapping, EventInvokeConfig, Url: who and what invokes a function, and how."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.lambda_.resources import functions

GONE = "ResourceNotFoundException"


@resource_type("AWS::Lambda::Permission")
class PermissionResource(ResourceType):
    properties = {
        "Action",
        "EventSourceToken",
        "FunctionName",
        "FunctionUrlAuthType",
        "InvokedViaFunctionUrl",
        "Principal",
        "PrincipalOrgID",
        "SourceAccount",
        "SourceArn",
    }
    required = {"Action", "FunctionName", "Principal"}
    replaces = properties

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        statement_id = resource.generated_name(100)
        params = {member: value for member, value in resource.properties.items() if value is not None}
        try:
            await call.request("lambda", "AddPermission", {"StatementId": statement_id, **params})
        except AwsError as error:
            if error.code != "ResourceConflictException":
                raise
        return Created(statement_id, {"Id": statement_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        params = {"FunctionName": resource.properties["FunctionName"], "StatementId": resource.physical_id}
        try:
            await call.request("lambda", "RemovePermission", params)
        except AwsError as error:
            if error.code != GONE:
                raise


@resource_type("AWS::Lambda::EventSourceMapping")
class EventSourceMappingResource(ResourceType):
    properties = {
        "BatchSize",
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "Enabled",
        "EventSourceArn",
        "FilterCriteria",
        "FunctionName",
        "FunctionResponseTypes",
        "KmsKeyArn",
        "MaximumBatchingWindowInSeconds",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "MetricsConfig",
        "ParallelizationFactor",
        "ProvisionedPollerConfig",
        "ScalingConfig",
        "StartingPosition",
        "StartingPositionTimestamp",
        "Tags",
        "TumblingWindowInSeconds",
    }
    required = {"FunctionName"}
    replaces = {"EventSourceArn", "StartingPosition", "StartingPositionTimestamp"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        params = _mapping(resource)
        tags = functions.tags_of(resource)
        try:
            made = await call.request("lambda", "CreateEventSourceMapping", {**params, "Tags": tags})
        except AwsError as error:
            found = await self._ours(call, params, tags) if error.code == "ResourceConflictException" else None
            if found is None:
                raise
            made = found
        return _mapped(made)

    async def _ours(self, call: Call, params: dict[str, Any], tags: dict[str, str]) -> dict[str, Any] | None:
        """The mapping that a try of this step made before a crash."""
        listed = await call.request(
            "lambda",
            "ListEventSourceMappings",
            {"EventSourceArn": params.get("EventSourceArn"), "FunctionName": params["FunctionName"]},
        )
        for mapping in listed["EventSourceMappings"]:
            have = (await call.request("lambda", "ListTags", {"Resource": mapping["EventSourceMappingArn"]})).get("Tags") or {}
            names = ("aws:cloudformation:stack-id", "aws:cloudformation:logical-id")
            if all(name in tags and have.get(name) == tags[name] for name in names):
                return mapping  # type: ignore[no-any-return]
        return None

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        unset: dict[str, Any] = {
            "BatchSize": 10 if ":sqs:" in str(resource.properties.get("EventSourceArn")) else 100,
            "BisectBatchOnFunctionError": False,
            "DestinationConfig": {"OnFailure": {}},
            "MaximumBatchingWindowInSeconds": 0,
            "MaximumRecordAgeInSeconds": -1,
            "MaximumRetryAttempts": -1,
            "ParallelizationFactor": 1,
            "TumblingWindowInSeconds": 0,
            "FilterCriteria": {},
            "FunctionResponseTypes": [],
            "ScalingConfig": {},
            "ProvisionedPollerConfig": {},
            "MetricsConfig": {},
            "Enabled": True,
        }
        params = {member: value for member, value in unset.items() if resource.old_properties.get(member) is not None}
        if resource.old_properties.get("KmsKeyArn"):
            params["KMSKeyArn"] = ""
        params.update(_mapping(resource))
        for member in self.replaces:
            params.pop(member, None)
        if resource.changed(*self.properties - {"Tags"}):
            made = await call.request("lambda", "UpdateEventSourceMapping", {"UUID": resource.physical_id, **params})
        else:
            made = await call.request("lambda", "GetEventSourceMapping", {"UUID": resource.physical_id})
        await functions.set_tags(call, made["EventSourceMappingArn"], functions.tags_of(resource))
        return _mapped(made)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("lambda", "DeleteEventSourceMapping", {"UUID": resource.physical_id})
        except AwsError as error:
            if error.code != GONE:
                raise


def _mapping(resource: ResourceRequest) -> dict[str, Any]:
    params = {member: value for member, value in resource.properties.items() if value is not None and member != "Tags"}
    if "KmsKeyArn" in params:
        params["KMSKeyArn"] = params.pop("KmsKeyArn")
    return params


def _mapped(made: dict[str, Any]) -> Created:
    return Created(made["UUID"], {"Id": made["UUID"], "EventSourceMappingArn": made["EventSourceMappingArn"]})


@resource_type("AWS::Lambda::EventInvokeConfig")
class EventInvokeConfigResource(ResourceType):
    properties = {"DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"}
    required = {"FunctionName", "Qualifier"}
    replaces = {"FunctionName", "Qualifier"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        params = {member: value for member, value in resource.properties.items() if value is not None}
        await call.request("lambda", "PutFunctionEventInvokeConfig", params)
        return Created(resource.physical_id or resource.generated_name())

    update = create

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        params: dict[str, Any] = {member: resource.properties[member] for member in ("FunctionName", "Qualifier")}
        try:
            await call.request("lambda", "DeleteFunctionEventInvokeConfig", params)
        except AwsError as error:
            if error.code != GONE:
                raise


@resource_type("AWS::Lambda::Url")
class UrlResource(ResourceType):
    properties = {"AuthType", "Cors", "InvokeMode", "Qualifier", "TargetFunctionArn"}
    required = {"AuthType", "TargetFunctionArn"}
    replaces = {"Qualifier", "TargetFunctionArn"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        return self._made(await call.request("lambda", "CreateFunctionUrlConfig", self._params(resource)))

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return self._made(
            await call.request("lambda", "UpdateFunctionUrlConfig", {"Cors": {}, "InvokeMode": "BUFFERED", **self._params(resource)})
        )

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        params = self._params(resource)
        wanted: dict[str, Any] = {member: params[member] for member in ("FunctionName", "Qualifier") if member in params}
        try:
            await call.request("lambda", "DeleteFunctionUrlConfig", wanted)
        except AwsError as error:
            if error.code != GONE:
                raise

    def _params(self, resource: ResourceRequest) -> dict[str, Any]:
        params = {member: value for member, value in resource.properties.items() if value is not None}
        params["FunctionName"] = params.pop("TargetFunctionArn")
        return params

    def _made(self, answer: dict[str, Any]) -> Created:
        return Created(answer["FunctionArn"], {"FunctionArn": answer["FunctionArn"], "FunctionUrl": answer["FunctionUrl"]})
