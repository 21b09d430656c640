"""CloudFormation types of CloudWatch."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type


class _AlarmType(ResourceType):
    """What metric and composite alarms share: they are put, whether new or not."""

    operation = ""

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._put(call, resource, resource.properties.get("AlarmName") or resource.generated_name(255))

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        created = await self._put(call, resource, resource.physical_id)
        arn, wanted = created.attributes["Arn"], _tags(resource)
        have = {tag["Key"]: tag["Value"] for tag in (await call.request("cloudwatch", "ListTagsForResource", {"ResourceARN": arn}))["Tags"]}
        if gone := [key for key in have if key not in wanted]:
            await call.request("cloudwatch", "UntagResource", {"ResourceARN": arn, "TagKeys": gone})
        if wanted and wanted != have:
            await call.request("cloudwatch", "TagResource", {"ResourceARN": arn, "Tags": _listed(wanted)})
        return created

    async def _put(self, call: Call, resource: ResourceRequest, name: str) -> Created:
        request: dict[str, Any] = {key: value for key, value in resource.properties.items() if key != "Tags"}
        request["AlarmName"] = name
        if not resource.physical_id and (tags := _tags(resource)):
            request["Tags"] = _listed(tags)
        await call.request("cloudwatch", self.operation, request)
        return Created(name, {"Arn": call.arn("cloudwatch", f"alarm:{name}")})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("cloudwatch", "DeleteAlarms", {"AlarmNames": [resource.physical_id]})
        except AwsError as error:
            if error.code != "ResourceNotFound":
                raise


@resource_type("AWS::CloudWatch::Alarm")
class AlarmResource(_AlarmType):
    operation = "PutMetricAlarm"
    properties = {
        "ActionsEnabled",
        "AlarmActions",
        "AlarmDescription",
        "AlarmName",
        "ComparisonOperator",
        "DatapointsToAlarm",
        "Dimensions",
        "EvaluateLowSampleCountPercentile",
        "EvaluationPeriods",
        "ExtendedStatistic",
        "InsufficientDataActions",
        "MetricName",
        "Metrics",
        "Namespace",
        "OKActions",
        "Period",
        "Statistic",
        "Tags",
        "Threshold",
        "ThresholdMetricId",
        "TreatMissingData",
        "Unit",
    }
    required = {"ComparisonOperator", "EvaluationPeriods"}
    replaces = {"AlarmName"}


@resource_type("AWS::CloudWatch::CompositeAlarm")
class CompositeAlarmResource(_AlarmType):
    operation = "PutCompositeAlarm"
    properties = {
        "ActionsEnabled",
        "ActionsSuppressor",
        "ActionsSuppressorExtensionPeriod",
        "ActionsSuppressorWaitPeriod",
        "AlarmActions",
        "AlarmDescription",
        "AlarmName",
        "AlarmRule",
        "InsufficientDataActions",
        "OKActions",
        "Tags",
    }
    required = {"AlarmRule"}
    replaces = {"AlarmName"}


@resource_type("AWS::CloudWatch::Dashboard")
class DashboardResource(ResourceType):
    properties = {"DashboardBody", "DashboardName", "Tags"}
    required = {"DashboardBody"}
    replaces = {"DashboardName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._put(call, resource, resource.properties.get("DashboardName") or resource.generated_name(255))

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._put(call, resource, resource.physical_id)

    async def _put(self, call: Call, resource: ResourceRequest, name: str) -> Created:
        body = resource.properties["DashboardBody"]
        request: dict[str, Any] = {"DashboardName": name, "DashboardBody": body if isinstance(body, str) else json.dumps(body)}
        if not resource.physical_id and (tags := _tags(resource)):
            request["Tags"] = _listed(tags)
        await call.request("cloudwatch", "PutDashboard", request)
        return Created(name)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("cloudwatch", "DeleteDashboards", {"DashboardNames": [resource.physical_id]})
        except AwsError as error:
            if error.code != "DashboardNotFoundError":
                raise


def _tags(resource: ResourceRequest) -> dict[str, str]:
    return {**resource.tags, **{tag["Key"]: str(tag["Value"]) for tag in resource.properties.get("Tags", [])}}


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
