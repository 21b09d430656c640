"""Tenant isolation: what one tenant leaves in a sandbox, no other finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import zipped

COUNT = """
    count = 0
    def handler(event, context):
        global count
        count += 1
        return [context.tenant_id, count]
"""


@pytest.fixture
def isolated(function: Callable[..., str]) -> str:
    return function(COUNT, TenancyConfig={"TenantIsolationMode": "PER_TENANT"})


def test_each_tenant_has_sandboxes_of_its_own(isolated: str, answer: Any, lambda_: Any) -> None:
    found = [answer(isolated, TenantId=tenant) for tenant in ("a", "b", "a", "a", "b")]
    assert found == [["a", 1], ["b", 1], ["a", 2], ["a", 3], ["b", 2]]
    assert lambda_.get_function_configuration(FunctionName=isolated)["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}


def test_replaced_code_reaches_every_tenant(isolated: str, answer: Any, lambda_: Any) -> None:
    assert answer(isolated, TenantId="a") == ["a", 1]
    lambda_.update_function_code(FunctionName=isolated, ZipFile=zipped("def handler(event, context): return 'new'"))
    assert answer(isolated, TenantId="a") == "new"


def test_an_event_is_handled_for_its_tenant(isolated: str, answer: Any, lambda_: Any, clock: Any) -> None:
    lambda_.invoke(FunctionName=isolated, InvocationType="Event", TenantId="a")
    clock.settle()
    assert answer(isolated, TenantId="a") == ["a", 2]


@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
def test_a_tenant_is_needed_where_it_is_asked_for_and_refused_elsewhere(
    isolated: str, function: Callable[..., str], lambda_: Any, kind: str
) -> None:
    with pytest.raises(ClientError, match="Add a valid tenant ID in your request"):
        lambda_.invoke(FunctionName=isolated, InvocationType=kind)
    with pytest.raises(ClientError, match="Remove the tenant ID from your request"):
        lambda_.invoke(FunctionName=function(COUNT), InvocationType=kind, TenantId="a")


def test_what_has_no_tenant_to_give_is_refused(isolated: str, lambda_: Any) -> None:
    with pytest.raises(ClientError, match="not supported for functions with tenant isolation"):
        lambda_.create_function_url_config(FunctionName=isolated, AuthType="NONE")
    lambda_.publish_version(FunctionName=isolated)
    with pytest.raises(ClientError, match="not supported for functions with tenant isolation"):
        lambda_.put_provisioned_concurrency_config(FunctionName=isolated, Qualifier="1", ProvisionedConcurrentExecutions=1)


def test_a_function_with_tenants_is_neither_snapped_nor_durable_nor_fed_from_a_queue(
    isolated: str, function: Callable[..., str], lambda_: Any
) -> None:
    tenancy = {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}
    with pytest.raises(ClientError, match="SnapStart is not supported for functions with tenant isolation"):
        function(COUNT, SnapStart={"ApplyOn": "PublishedVersions"}, **tenancy)
    with pytest.raises(ClientError, match="does not implement durable functions with tenant isolation"):
        function(COUNT, DurableConfig={"ExecutionTimeout": 60}, **tenancy)
    with pytest.raises(ClientError, match="Event source mappings are not supported for functions with tenant isolation"):
        lambda_.create_event_source_mapping(FunctionName=isolated, EventSourceArn="arn:aws:sqs:us-east-1:000000000000:work")


def test_a_durable_function_has_no_tenants(function: Callable[..., str], lambda_: Any) -> None:
    name = function(COUNT, DurableConfig={"ExecutionTimeout": 60}, Publish=True)
    with pytest.raises(ClientError, match="Remove the tenant ID from your request"):
        lambda_.invoke(FunctionName=name, Qualifier="1", TenantId="a")


def test_a_streamed_answer_is_a_tenants_too(isolated: str, lambda_: Any) -> None:
    events = list(lambda_.invoke_with_response_stream(FunctionName=isolated, TenantId="a")["EventStream"])
    assert json.loads(events[0]["PayloadChunk"]["Payload"]) == ["a", 1]
