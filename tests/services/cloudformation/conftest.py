"""What the tests of stacks share: a client, and a way to wait and look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


class Cloud:
    """A boto3 client of CloudFormation with the words that the tests use."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def create(self, name: str, template: str, wait: bool = True, **options: Any) -> str:
        stack_id: str = self.client.create_stack(StackName=name, TemplateBody=template, **options)["StackId"]
        return self.status(name) if wait else stack_id

    def update(self, name: str, template: str, wait: bool = True, **options: Any) -> str:
        stack_id: str = self.client.update_stack(StackName=name, TemplateBody=template, **options)["StackId"]
        return self.status(name) if wait else stack_id

    def delete(self, name: str, **options: Any) -> str:
        stack_id = self.stack(name)["StackId"]
        self.client.delete_stack(StackName=name, **options)
        return self.status(stack_id)

    def stack(self, name: str) -> dict[str, Any]:
        """DescribeStacks answers when the stack has come to rest."""
        stack: dict[str, Any] = self.client.describe_stacks(StackName=name)["Stacks"][0]
        return stack

    def status(self, name: str) -> str:
        return str(self.stack(name)["StackStatus"])

    def outputs(self, name: str) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self.stack(name).get("Outputs", [])}

    def events(self, name: str) -> list[tuple[str, str]]:
        """(logical id, status) of every event, oldest first."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=name)
        found = [(event["LogicalResourceId"], event["ResourceStatus"]) for page in pages for event in page["StackEvents"]]
        return found[::-1]

    def reasons(self, name: str, status: str) -> list[str]:
        found = self.client.describe_stack_events(StackName=name)["StackEvents"][::-1]
        return [event.get("ResourceStatusReason", "") for event in found if event["ResourceStatus"] == status]

    def resources(self, name: str) -> dict[str, tuple[str, str]]:
        """logical id -> (status, physical id)."""
        found = self.client.describe_stack_resources(StackName=name)["StackResources"]
        return {item["LogicalResourceId"]: (item["ResourceStatus"], item.get("PhysicalResourceId", "")) for item in found}


@pytest.fixture
def cloud(client: Callable[..., Any]) -> Cloud:
    return Cloud(client("cloudformation"))
