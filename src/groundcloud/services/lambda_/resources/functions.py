"""AWS::Lambda::Function, Version, Alias."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Awaitable
from importlib.resources import files
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.lambda_ import names, snapshots
from groundcloud.services.lambda_.capacity import MEMORY_MB_MIN
from groundcloud.services.lambda_.state import CLAIMS, FUNCTIONS, Claim

# Property -> what a function has where the template no longer says.
_CONFIGURATION: dict[str, Any] = {
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "FileSystemConfigs": [],
    "Handler": None,
    "ImageConfig": {},
    "KmsKeyArn": "",
    "Layers": [],
    "LoggingConfig": {"LogFormat": "Text"},
    "MemorySize": 128,
    "Role": None,
    "Runtime": None,
    "SnapStart": {"ApplyOn": "None"},
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "DeadLetterConfig": {"TargetArn": ""},
    "DurableConfig": None,
    "CapacityProviderConfig": None,
}
_API_NAMES = {"KmsKeyArn": "KMSKeyArn"}
_INLINE_FILES = {"python": ("index.py", "cfnresponse.py"), "nodejs": ("index.js", "cfn-response.js")}


@resource_type("AWS::Lambda::Function")
class FunctionResource(ResourceType):
    properties = {
        *_CONFIGURATION,
        "Architectures",
        "Code",
        "CodeSigningConfigArn",
        "FunctionName",
        "FunctionScalingConfig",
        "PackageType",
        "PublishToLatestPublished",
        "RecursiveLoop",
        "ReservedConcurrentExecutions",
        "RuntimeManagementConfig",
        "Tags",
        "TenancyConfig",
    }
    required = {"Code", "Role"}
    replaces = {"FunctionName", "PackageType", "TenancyConfig"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        name = wanted.get("FunctionName") or resource.generated_name(64)
        params = {
            "FunctionName": name,
            "Code": _code(wanted),
            "Tags": tags_of(resource),
            **{_API_NAMES.get(member, member): wanted[member] for member in _CONFIGURATION if wanted.get(member) is not None},
            **{
                member: wanted[member]
                for member in ("Architectures", "CodeSigningConfigArn", "PackageType", "TenancyConfig")
                if wanted.get(member)
            },
        }
        try:
            await call.request("lambda", "CreateFunction", params)
        except AwsError as error:
            if error.code != "ResourceConflictException" or not await _is_ours(call, name, resource):
                raise
            # Made by a try of this step that a crash cut short.
        try:
            await self._publish(call, name, resource)
            await self._settings(call, name, resource)
        except AwsError as error:
            raise AwsError(error.code, error.message, status=error.status, fields={**error.fields, "PhysicalResourceId": name}) from error
        return await _function(call, name)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name, wanted = resource.physical_id, resource.properties
        if resource.old_properties.get("DurableConfig") and not wanted.get("DurableConfig"):
            raise AwsError(
                "InvalidParameterValueException", f"DurableConfig cannot be taken from the function {name}: it is durable for good."
            )
        if bool(resource.old_properties.get("CapacityProviderConfig")) != bool(wanted.get("CapacityProviderConfig")):
            raise AwsError(
                "InvalidParameterValueException", f"CapacityProviderConfig cannot be added to the function {name}, nor taken from it."
            )
        if resource.changed(*_CONFIGURATION):
            params: dict[str, Any] = {"FunctionName": name}
            for member, unset in _CONFIGURATION.items():
                value = wanted.get(member, unset)
                if member == "MemorySize" and wanted.get("CapacityProviderConfig"):
                    value = wanted.get(member, MEMORY_MB_MIN)
                if member == "LoggingConfig":
                    value = {"LogGroup": f"/aws/lambda/{name}", **value}
                if value is not None and resource.changed(member):
                    params[_API_NAMES.get(member, member)] = value
            await call.request("lambda", "UpdateFunctionConfiguration", params)
        if resource.changed("Code", "Architectures"):
            await call.request(
                "lambda",
                "UpdateFunctionCode",
                {"FunctionName": name, **_code(wanted), "Architectures": wanted.get("Architectures") or ["x86_64"]},
            )
        if resource.changed("CodeSigningConfigArn"):
            if wanted.get("CodeSigningConfigArn"):
                params = {"FunctionName": name, "CodeSigningConfigArn": wanted["CodeSigningConfigArn"]}
                await call.request("lambda", "PutFunctionCodeSigningConfig", params)
            else:
                await call.request("lambda", "DeleteFunctionCodeSigningConfig", {"FunctionName": name})
        if resource.changed(*_CONFIGURATION, "Code", "Architectures", "PublishToLatestPublished"):
            await self._publish(call, name, resource)
        await self._settings(call, name, resource)
        await set_tags(call, call.arn("lambda", f"function:{name}"), tags_of(resource))
        return await _function(call, name)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _unless_gone(call.request("lambda", "DeleteFunction", {"FunctionName": resource.physical_id}))

    async def _publish(self, call: Call, name: str, resource: ResourceRequest) -> None:
        """As $LATEST.PUBLISHED; a function on a capacity provider unless its template says no."""
        wanted = resource.properties
        if wanted.get("PublishToLatestPublished", bool(wanted.get("CapacityProviderConfig"))):
            await call.request("lambda", "PublishVersion", {"FunctionName": name, "PublishTo": "LATEST_PUBLISHED"})

    async def _settings(self, call: Call, name: str, resource: ResourceRequest) -> None:
        """What is kept beside the configuration and has operations of its own."""
        wanted, before = resource.properties, resource.old_properties
        if resource.changed("ReservedConcurrentExecutions"):
            reserved = wanted.get("ReservedConcurrentExecutions")
            if reserved is not None:
                params = {"FunctionName": name, "ReservedConcurrentExecutions": reserved}
                await call.request("lambda", "PutFunctionConcurrency", params)
            elif before:
                await call.request("lambda", "DeleteFunctionConcurrency", {"FunctionName": name})
        if resource.changed("RecursiveLoop"):
            params = {"FunctionName": name, "RecursiveLoop": wanted.get("RecursiveLoop") or "Terminate"}
            await call.request("lambda", "PutFunctionRecursionConfig", params)
        if resource.changed("RuntimeManagementConfig"):
            config = wanted.get("RuntimeManagementConfig") or {"UpdateRuntimeOn": "Auto"}
            await call.request("lambda", "PutRuntimeManagementConfig", {"FunctionName": name, **config})
        await _scale(call, name, "$LATEST.PUBLISHED", resource)


async def _function(call: Call, name: str) -> Created:
    shown = (await call.request("lambda", "GetFunctionConfiguration", {"FunctionName": name}))["SnapStart"]
    snap_start = {f"SnapStartResponse.{member}": value for member, value in shown.items()}
    return Created(name, {"Arn": call.arn("lambda", f"function:{name}"), "SnapStartResponse": shown, **snap_start})


def _code(wanted: dict[str, Any]) -> dict[str, Any]:
    """The request's Code: inline text becomes a package."""
    code = dict(wanted["Code"])
    if isinstance(code.get("ZipFile"), str):
        code["ZipFile"] = inline_package(code["ZipFile"], str(wanted.get("Runtime") or ""))
    return code


def inline_package(text: str, runtime: str) -> bytes:
    """`index.py` or `index.js` with the text, and the module with which a custom resource answers. The same text makes the same bytes."""
    language = runtime.rstrip("0123456789.x")
    if language not in _INLINE_FILES:
        raise AwsError("ValidationError", f"Groundcloud does not support inline code (ZipFile) for the runtime {runtime or '(none)'} yet.")
    main, beside = _INLINE_FILES[language]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry(main), text)
        archive.writestr(_entry(beside), (files("groundcloud.services.lambda_") / "inline" / beside).read_bytes())
    return packed.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16
    return entry


def tags_of(resource: ResourceRequest) -> dict[str, str]:
    """The stack's and its own."""
    own = {str(tag["Key"]): str(tag.get("Value", "")) for tag in resource.properties.get("Tags") or ()}
    return {**resource.tags, **own}


async def set_tags(call: Call, resource_arn: str, tags: dict[str, str]) -> None:
    """Makes a resource's tags exactly these."""
    have = (await call.request("lambda", "ListTags", {"Resource": resource_arn})).get("Tags") or {}
    if gone := [name for name in have if name not in tags]:
        await call.request("lambda", "UntagResource", {"Resource": resource_arn, "TagKeys": gone})
    if new := {name: value for name, value in tags.items() if have.get(name) != value}:
        await call.request("lambda", "TagResource", {"Resource": resource_arn, "Tags": new})


async def _is_ours(call: Call, name: str, resource: ResourceRequest) -> bool:
    """Whether a function that exists was made for this very resource."""
    tags = (await call.request("lambda", "ListTags", {"Resource": call.arn("lambda", f"function:{name}")})).get("Tags") or {}
    ours = (tags.get("aws:cloudformation:stack-id"), tags.get("aws:cloudformation:logical-id"))
    return bool(resource.stack_id) and ours == (resource.stack_id, resource.logical_id)


async def _unless_gone(request: Awaitable[Any]) -> None:
    try:
        await request
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise


async def _provision(call: Call, qualified_arn: str, resource: ResourceRequest) -> None:
    """Gives a version or alias the provisioned concurrency that its template says, if that is new."""
    if not resource.changed("ProvisionedConcurrencyConfig"):
        return
    function_arn, _, qualifier = qualified_arn.rpartition(":")
    params: dict[str, Any] = {"FunctionName": function_arn, "Qualifier": qualifier}
    config = resource.properties.get("ProvisionedConcurrencyConfig")
    if config:
        await call.request("lambda", "PutProvisionedConcurrencyConfig", {**params, **config})
    else:
        await call.request("lambda", "DeleteProvisionedConcurrencyConfig", params)


async def _scale(call: Call, function_name: str, qualifier: str, resource: ResourceRequest) -> None:
    """Gives a version on a capacity provider the FunctionScalingConfig that its template says, if that is new."""
    if resource.changed("FunctionScalingConfig"):
        params = {"FunctionName": function_name, "Qualifier": qualifier}
        config = resource.properties.get("FunctionScalingConfig") or {}
        await call.request("lambda", "PutFunctionScalingConfig", {**params, "FunctionScalingConfig": config})


def _last_version(call: Call, function_name: str, resource: ResourceRequest) -> int:
    """The function's last version when this step was first tried: one that a crash cut short may have published its own since."""
    name = names.parse(function_name, "", call.account, call.region)
    claimant = f"{resource.stack_id}/{resource.logical_id}/{resource.random_suffix}"
    with call.transaction() as own:
        tx = own.at(name.account, name.region)
        claim = CLAIMS.get(tx, name.name, claimant)
        if claim is None:
            function = FUNCTIONS.get(tx, name.name)
            claim = Claim(function_name=name.name, claimant=claimant, last_version=function.last_version if function is not None else 0)
            CLAIMS.put(tx, claim)
    return claim.last_version


@resource_type("AWS::Lambda::Version")
class VersionResource(ResourceType):
    properties = {"CodeSha256", "Description", "FunctionName", "FunctionScalingConfig", "ProvisionedConcurrencyConfig", "RuntimePolicy"}
    required = {"FunctionName"}
    replaces = {"CodeSha256", "Description", "FunctionName", "ProvisionedConcurrencyConfig", "RuntimePolicy"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        params = {member: wanted[member] for member in ("FunctionName", "Description", "CodeSha256") if wanted.get(member) is not None}
        before = _last_version(call, wanted["FunctionName"], resource)
        published = await call.request("lambda", "PublishVersion", params)
        if int(published["Version"]) <= before:
            raise AwsError(
                "AlreadyExists",
                f"A version for this Lambda function exists ( {published['Version']} ). Modify the function to create a new version.",
            )
        await snapshots.settled(call, published["FunctionName"], int(published["Version"]))
        if wanted.get("RuntimePolicy"):
            policy = {"FunctionName": published["FunctionArn"], **wanted["RuntimePolicy"]}
            await call.request("lambda", "PutRuntimeManagementConfig", policy)
        await _provision(call, published["FunctionArn"], resource)
        await _scale(call, published["FunctionName"], published["Version"], resource)
        return Created(published["FunctionArn"], {"Version": published["Version"], "FunctionArn": published["FunctionArn"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        function_arn, _, number = resource.physical_id.rpartition(":")
        await _scale(call, function_arn, number, resource)
        return Created(resource.physical_id, {"Version": resource.physical_id.rsplit(":", 1)[-1], "FunctionArn": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _unless_gone(call.request("lambda", "DeleteFunction", {"FunctionName": resource.physical_id}))


@resource_type("AWS::Lambda::Alias")
class AliasResource(ResourceType):
    properties = {"Description", "FunctionName", "FunctionVersion", "Name", "ProvisionedConcurrencyConfig", "RoutingConfig"}
    required = {"FunctionName", "FunctionVersion", "Name"}
    replaces = {"FunctionName", "Name"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        made = await call.request("lambda", "CreateAlias", self._params(resource))
        await _provision(call, made["AliasArn"], resource)
        return Created(made["AliasArn"], {"AliasArn": made["AliasArn"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        params = {"Description": "", "RoutingConfig": {}, **self._params(resource)}
        made = await call.request("lambda", "UpdateAlias", params)
        await _provision(call, made["AliasArn"], resource)
        return Created(made["AliasArn"], {"AliasArn": made["AliasArn"]})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        function_arn, _, alias_name = resource.physical_id.rpartition(":")
        await _unless_gone(call.request("lambda", "DeleteAlias", {"FunctionName": function_arn, "Name": alias_name}))

    def _params(self, resource: ResourceRequest) -> dict[str, Any]:
        wanted = resource.properties
        own = self.properties - {"ProvisionedConcurrencyConfig", "RoutingConfig"}
        params = {member: wanted[member] for member in own if wanted.get(member) is not None}
        weights = (wanted.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or []
        if weights:
            shares = {str(weight["FunctionVersion"]): float(weight["FunctionWeight"]) for weight in weights}
            params["RoutingConfig"] = {"AdditionalVersionWeights": shares}
        return params
