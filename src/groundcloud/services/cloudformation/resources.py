"""The types that CloudFormation itself owns: nested stacks, wait conditions, custom resources, CDK's metadata."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, ClassVar

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.cloudformation import characters, deployment, errors, handlers, intrinsics, launch, provision, state

CUSTOM_TIMEOUT_S = 3_600  # the default and the maximum of ServiceTimeout
WAIT_TIMEOUT_S_MAX = 43_200
STACK_NAME_LENGTH_MAX = 128
_DURATION = re.compile(r"PT(?:(\d{1,3})H)?(?:(\d{1,4})M)?(?:(\d{1,5})S)?")


@resource_type("AWS::CDK::Metadata")
class CdkMetadata(ResourceType):
    """What the CDK tells AWS of itself. AWS makes nothing of it either."""

    properties: ClassVar[set[str]] = {"Analytics", "Modules"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        return Created(resource.generated_name(128))

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return Created(resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        return None


@resource_type("AWS::CloudFormation::WaitConditionHandle")
class WaitConditionHandle(ResourceType):
    """Ref is a URL: whoever PUTs {"Status", "UniqueId", "Data", "Reason"} there signals the wait condition that has the handle."""

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        with call.transaction() as tx:
            found = handlers.bearer(call, tx, resource.stack_id, resource.logical_id, resource.token, "signal")
        return Created(handlers.url_of(call, found))

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return Created(resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        token = handlers.token_in(resource.physical_id)
        if token is not None:
            with call.transaction() as tx:
                state.BEARERS.delete(tx, token)


@resource_type("AWS::CloudFormation::WaitCondition")
class WaitCondition(ResourceType):
    properties: ClassVar[set[str]] = {"Count", "Handle", "Timeout"}
    interruptible = True

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        count, timeout_s, sender, begun_ms = self._awaited(call, resource)
        until_ms = begun_ms + timeout_s * 1000
        watch = state.SIGNALS.watch(call, resource.stack_id, sender)
        while True:
            with call.transaction() as tx:
                signals = list(state.SIGNALS.scan(tx, resource.stack_id, sender))
            failure = next((signal for signal in signals if signal.status == "FAILURE"), None)
            if failure is not None:
                raise errors.validation(f"WaitCondition received failed message: '{failure.reason}' for uniqueId: {failure.unique_id}")
            if len(signals) >= count:
                answers = {signal.unique_id: signal.content for signal in signals}
                return Created(f"{resource.stack_id}/{resource.logical_id}", {"Data": json.dumps(answers, separators=(",", ":"))})
            if call.clock.now_ms() >= until_ms:
                raise errors.validation(f"WaitCondition timed out. Received {len(signals)} conditions when expecting {count}")
            with handlers.resting(call):
                await call.wait(watch, until_ms=until_ms)

    def _awaited(self, call: Call, resource: ResourceRequest) -> tuple[int, int, str, int]:
        """How many signals, for how long, of which logical id, since when."""
        with call.transaction() as tx:
            row = state.RESOURCES.get(tx, resource.stack_id, resource.logical_id)
            token = handlers.token_in(str(resource.properties.get("Handle", "")))
            bearer = state.BEARERS.get(tx, token) if token is not None else None
        assert row is not None
        policy = row.definition.get("CreationPolicy")
        if policy is not None:
            signal = policy.get("ResourceSignal", {}) if isinstance(policy, dict) else {}
            return _integer("Count", signal.get("Count", 1)), duration_s(signal.get("Timeout", "PT5M")), resource.logical_id, row.updated_ms
        if bearer is None or "Timeout" not in resource.properties:
            raise errors.validation("WaitCondition needs a CreationPolicy, or the Handle of a WaitConditionHandle and a Timeout")
        timeout_s = _integer("Timeout", resource.properties["Timeout"])
        if not 0 < timeout_s <= WAIT_TIMEOUT_S_MAX:
            raise errors.validation(f"WaitCondition Timeout must be between 1 and {WAIT_TIMEOUT_S_MAX} seconds")
        return _integer("Count", resource.properties.get("Count", 1)), timeout_s, bearer.logical_id, row.updated_ms

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        raise errors.validation("Update to resource type AWS::CloudFormation::WaitCondition is not supported.")

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        with call.transaction() as tx:
            for signal in list(state.SIGNALS.scan(tx, resource.stack_id, resource.logical_id)):
                state.SIGNALS.delete(tx, signal.stack_id, signal.logical_id, signal.unique_id)


@resource_type("AWS::CloudFormation::CustomResource")
class CustomResource(ResourceType):
    """Also every Custom::... type: a function is told, and answers at the ResponseURL when it has done what was asked."""

    required: ClassVar[set[str]] = {"ServiceToken"}
    replaces: ClassVar[set[str]] = {"ServiceToken"}
    interruptible = True

    def check(self, properties: dict[str, Any]) -> None:
        """Every property is the function's own."""
        token = properties.get("ServiceToken")
        if not isinstance(token, str) or not token:
            raise errors.validation("Value of property ServiceToken must be of type String")

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._ask(call, resource, "Create")

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._ask(call, resource, "Update")

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await self._ask(call, resource, "Delete")

    async def _ask(self, call: Call, resource: ResourceRequest, request_type: str) -> Created:
        service_token = str(resource.properties["ServiceToken"])
        if ":lambda:" not in service_token:
            raise errors.not_implemented(f"A custom resource whose ServiceToken is {service_token}")
        with call.transaction() as tx:
            found = handlers.bearer(call, tx, resource.stack_id, resource.logical_id, resource.token, "response")
        event: dict[str, Any] = {
            "RequestType": request_type,
            "ServiceToken": service_token,
            "ResponseURL": handlers.url_of(call, found),
            "StackId": resource.stack_id,
            "RequestId": found.request_id,
            "LogicalResourceId": resource.logical_id,
            "ResourceType": resource.type_name,
            "ResourceProperties": _as_text(resource.properties),
        }
        if request_type != "Create":
            event["PhysicalResourceId"] = resource.physical_id
        if request_type == "Update":
            event["OldResourceProperties"] = _as_text(resource.old_properties)
        await call.request(
            "lambda",
            "Invoke",
            {"FunctionName": service_token, "InvocationType": "Event", "Payload": json.dumps(event).encode()},
        )
        answer = await self._answer(call, resource, found)
        with call.transaction() as tx:
            handlers.forget(tx, found, resource.token)
        return self._created(answer, resource, found, request_type)

    async def _answer(self, call: Call, resource: ResourceRequest, found: state.Bearer) -> dict[str, Any]:
        timeout_s = _integer("ServiceTimeout", resource.properties.get("ServiceTimeout", CUSTOM_TIMEOUT_S))
        until_ms = call.now_ms + min(timeout_s, CUSTOM_TIMEOUT_S) * 1000
        watch = state.RESPONSES.watch(call, found.bearer_token)
        while True:
            with call.transaction() as tx:
                response = state.RESPONSES.get(tx, found.bearer_token)
            if response is not None:
                return response.document
            if call.clock.now_ms() >= until_ms:
                raise errors.validation(
                    "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId "
                    f"[{found.request_id}]. If you are using the Python cfn-response module, you may need to update your Lambda function"
                    " so that CloudFormation can attach the updated version."
                )
            with handlers.resting(call):
                await call.wait(watch, until_ms=until_ms)

    def _created(self, answer: dict[str, Any], resource: ResourceRequest, found: state.Bearer, request_type: str) -> Created:
        physical_id = answer.get("PhysicalResourceId") or resource.physical_id
        if answer.get("Status") != "SUCCESS":
            reason = answer.get("Reason") or "See the details in CloudWatch Logs"
            raise AwsError(
                "ValidationError",
                f"Received response status [FAILED] from custom resource. Message returned: {reason} (RequestId: {found.request_id})",
                fields={"PhysicalResourceId": str(physical_id)} if physical_id else {},
            )
        if not physical_id and request_type != "Delete":
            raise errors.validation("Invalid PhysicalResourceId")
        attributes = answer.get("Data") or {}
        return Created(characters.writable(str(physical_id)), attributes if isinstance(attributes, dict) else {})


@resource_type("AWS::CloudFormation::Stack")
class NestedStack(ResourceType):
    """A stack of its own, made from a template in S3, whose outputs are its attributes."""

    properties: ClassVar[set[str]] = {"NotificationARNs", "Parameters", "Tags", "TemplateURL", "TimeoutInMinutes"}
    required: ClassVar[set[str]] = {"TemplateURL"}
    always_updates = True
    interruptible = True

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.generated_name(STACK_NAME_LENGTH_MAX)
        with call.transaction() as tx:
            parent = state.STACKS.get(tx, resource.stack_id)
            stack = state.find_stack(tx, name)
        assert parent is not None
        if stack is None:
            request = {**self._request(resource), "StackName": name, "OnFailure": "DO_NOTHING", "Capabilities": parent.capabilities}
            stack = await launch.create(call, request, parent=parent)
        try:
            stack = await self._settled(call, stack.stack_id)
        except asyncio.CancelledError:
            raise provision.cancelled(stack.stack_id) from None
        if stack.status != "CREATE_COMPLETE":
            raise AwsError(
                "ValidationError",
                f"Embedded stack {stack.stack_id} was not successfully created: {stack.status_reason or ''}",
                fields={"PhysicalResourceId": stack.stack_id},
            )
        return self._created(stack)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        if resource.token.endswith(provision.UNDO):
            self._stop(call, resource.physical_id, "User Initiated")
        stack = await self._settled(call, resource.physical_id)
        with call.transaction() as tx:
            parent = state.STACKS.get(tx, resource.stack_id)
        assert parent is not None
        request = {**self._request(resource), "StackName": resource.physical_id, "Capabilities": parent.capabilities}
        if await launch.update(call, request, nested=True) is None:
            return self._created(stack)
        stack = await self._settled(call, resource.physical_id)
        if stack.status not in launch.UPDATABLE or stack.status == "UPDATE_ROLLBACK_COMPLETE":
            raise errors.validation(
                f"Embedded stack {stack.stack_id} was not successfully updated. Currently in {stack.status} with reason: "
                f"{stack.status_reason or ''}"
            )
        return self._created(stack)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        self._stop(call, resource.physical_id, "Resource creation cancelled.")
        with call.transaction() as tx:
            stack = state.STACKS.get(tx, resource.physical_id)
        if stack is None:
            return
        stack = await self._settled(call, resource.physical_id)
        if stack.status == "DELETE_COMPLETE":
            return
        with call.transaction() as tx:
            launch.begin_delete(call, tx, stack, None, [])
        stack = await self._settled(call, resource.physical_id)
        if stack.status != "DELETE_COMPLETE":
            raise errors.validation(f"Embedded stack {stack.stack_id} was not successfully deleted: {stack.status_reason or ''}")

    def _stop(self, call: Call, stack_id: str, why: str) -> None:
        """Ends a creation or update that nobody waits for any more."""
        with call.transaction() as tx:
            operation = state.OPERATIONS.get(tx, stack_id)
            if operation is not None and operation.phase == deployment.FORWARD:
                state.OPERATIONS.put(tx, operation.replace(cancelled=why))

    def _request(self, resource: ResourceRequest) -> dict[str, Any]:
        properties = resource.properties
        tags = {tag["Key"]: str(tag["Value"]) for tag in properties.get("Tags", [])}
        tags.update({key: value for key, value in resource.tags.items() if not key.startswith("aws:")})
        request: dict[str, Any] = {
            "TemplateURL": properties["TemplateURL"],
            "Parameters": [
                {
                    "ParameterKey": key,
                    "ParameterValue": ",".join(map(intrinsics.text_of, value)) if isinstance(value, list) else intrinsics.text_of(value),
                }
                for key, value in properties.get("Parameters", {}).items()
            ],
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            "NotificationARNs": properties.get("NotificationARNs", []),
        }
        if "TimeoutInMinutes" in properties:
            request["TimeoutInMinutes"] = _integer("TimeoutInMinutes", properties["TimeoutInMinutes"])
        return request

    async def _settled(self, call: Call, stack_id: str) -> state.Stack:
        watch = state.STACKS.watch(call, stack_id)
        while True:
            with call.transaction() as tx:
                stack = state.STACKS.get(tx, stack_id)
            assert stack is not None
            if not stack.status.endswith("_IN_PROGRESS"):
                return stack
            with handlers.resting(call):
                await call.wait(watch)

    def _created(self, stack: state.Stack) -> Created:
        return Created(stack.stack_id, {"Outputs": {output.key: output.value for output in stack.outputs}})


def duration_s(text: Any) -> int:
    """Seconds of an ISO 8601 duration such as PT1H30M."""
    match = _DURATION.fullmatch(str(text))
    if match is None or not any(match.groups()):
        raise errors.validation(f"Timeout {text} is not an ISO 8601 duration such as PT15M")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _integer(name: str, value: Any) -> int:
    text = intrinsics.text_of(value)
    if not text.isdecimal() or len(text) > 9:
        raise errors.validation(f"Value of property {name} must be of type Number")
    return int(text)


def _as_text(value: Any) -> Any:
    """Custom resources are given every scalar as text, as AWS gives them."""
    if isinstance(value, dict):
        return {key: _as_text(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_as_text(member) for member in value]
    return intrinsics.text_of(value)
