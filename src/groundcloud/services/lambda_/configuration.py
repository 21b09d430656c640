"""A version's configuration: from a request to a record, from a record to AWS's document. Pure but for checks under the call's identity."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.runtime import RuntimeNotAvailable
from groundcloud.services.lambda_ import capacity, errors, images, runtimes, snapshots
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import Code, Function, Version

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

TIMEOUT_S_MAX = 900
MEMORY_MB_MAX = 10_240
MANAGED_MEMORY_MB_MAX = 32_768
ENVIRONMENT_BYTES_MAX = 4096
LAYERS_MAX = 5
"""AWS: Lambda quotas, "Function configuration"; the memory of functions with a capacity provider is the model's, MemorySize."""

# AWS: "Defined runtime environment variables", reserved.
_RESERVED = """_HANDLER _X_AMZN_TRACE_ID AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_MEMORY_SIZE
AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_ACCESS_KEY AWS_ACCESS_KEY_ID
AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_LAMBDA_RUNTIME_API LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR"""
RESERVED_VARIABLES = frozenset(_RESERVED.split())

_NOT_IMPLEMENTED = {
    "FileSystemConfigs": "file systems (FileSystemConfigs)",
    "RuntimeConfig": "RuntimeConfig",
    "AcceleratorConfig": "accelerators (AcceleratorConfig)",
}
_KEPT = ("VpcConfig", "KMSKeyArn", "TracingConfig", "SnapStart", "TenancyConfig", "ImageConfig", "CapacityProviderConfig")
_NOT_CONFIGURED = frozenset(
    [
        "FunctionArn",
        "CodeSize",
        "LastModified",
        "CodeSha256",
        "Version",
        "RevisionId",
        "State",
        "StateReason",
        "StateReasonCode",
        "LastUpdateStatus",
    ]
)
DURABLE_DEFAULTS = {"RetentionPeriodInDays": 14, "ExecutionTimeout": 86_400}
_BARE_JSON_LEVELS = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}


def check(request: dict[str, Any], *, managed: bool = False) -> None:
    """What the model's shapes do not say of CreateFunction's and UpdateFunctionConfiguration's members; `managed`: with a capacity provider. Raises AwsError."""
    for member, what in _NOT_IMPLEMENTED.items():
        if request.get(member):
            raise errors.invalid_parameter(f"Groundcloud does not implement {what} yet.")
    if request.get("Timeout", 0) > TIMEOUT_S_MAX:
        raise errors.value_too_high(request["Timeout"], "timeout", TIMEOUT_S_MAX)
    memory_mb_max = MANAGED_MEMORY_MB_MAX if managed else MEMORY_MB_MAX
    if request.get("MemorySize", 0) > memory_mb_max:
        raise errors.value_too_high(request["MemorySize"], "memorySize", memory_mb_max)
    _check_environment((request.get("Environment") or {}).get("Variables") or {})
    _check_logging(request.get("LoggingConfig") or {})
    vpc = request.get("VpcConfig") or {}
    if bool(vpc.get("SubnetIds")) != bool(vpc.get("SecurityGroupIds")):
        raise errors.invalid_parameter("SubnetIds and SecurityIds must coexist or be both empty list.")
    if request.get("TenancyConfig"):
        if snapshots.wanted(request):
            raise errors.invalid_parameter("SnapStart is not supported for functions with tenant isolation.")
        if request.get("DurableConfig"):
            raise errors.invalid_parameter("Groundcloud does not implement durable functions with tenant isolation (TenancyConfig) yet.")
    if len(request.get("Layers") or ()) > LAYERS_MAX:
        raise errors.invalid_parameter(f"Cannot reference more than {LAYERS_MAX} layers.")


def _check_environment(variables: dict[str, str]) -> None:
    reserved = sorted(RESERVED_VARIABLES.intersection(variables))
    if reserved:
        raise errors.invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved "
            f"keys that are currently not supported for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode("utf-8", "surrogatepass")) > ENVIRONMENT_BYTES_MAX:
        raise errors.invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. "
            f"String measured: {measured}"
        )
    for name, value in variables.items():
        if "\0" in name or "\0" in value:
            raise errors.invalid_parameter("Environment variables cannot contain the NUL character.")


def _check_logging(config: dict[str, str]) -> None:
    if config.get("LogFormat", "Text") != "JSON":
        for level in ("ApplicationLogLevel", "SystemLogLevel"):
            if config.get(level):
                raise errors.invalid_parameter(
                    f"{level} is not supported when LogFormat is set to Text. Remove {level} from your request or change the LogFormat to JSON "
                    "and try again."
                )


async def check_runtime(call: Call, runtime: str) -> None:
    """Refuses a runtime that nobody knows or that cannot run here, or only on another version where that is not wanted. Raises InvalidParameterValueException."""
    assert call.room is not None
    known = call.room.model.shapes["Runtime"]["enum"]
    if runtime not in known:
        raise errors.unknown_runtime(runtime, known)
    if (refusal := runtimes.refusal(runtime)) is not None:
        raise errors.invalid_parameter(refusal)
    try:
        await call.in_thread(runtimes.choice, runtime, call.settings.strict, True)
    except RuntimeNotAvailable as failure:
        raise errors.invalid_parameter(str(failure)) from failure


def check_role(call: Call, role_arn: str) -> None:
    """The caller may pass it, and Lambda may assume it. Raises AwsError."""
    call.authorize("iam:PassRole", role_arn, {"iam:PassedToService": "lambda.amazonaws.com"})
    try:
        call.ground.assume(call.reading(), role_arn, "groundcloud-lambda", "lambda.amazonaws.com")
    except AwsError as error:
        raise errors.not_assumable() from error


def version_of(
    request: dict[str, Any], name: FunctionName, code: Code, now_ms: int, generation: str, revision_id: str, layers: tuple[Any, ...]
) -> Version:
    """$LATEST of a new function."""
    base = Version(
        function_name=name.name,
        number=0,
        role=request["Role"],
        runtime=request.get("Runtime") or "",
        handler=request.get("Handler") or "",
        code=code,
        generation=generation,
        revision_id=revision_id,
        last_modified_ms=now_ms,
        architecture=(request.get("Architectures") or ["x86_64"])[0],
    )
    return changed(base, request, layers)


def changed(version: Version, request: dict[str, Any], layers: tuple[Any, ...] | None) -> Version:
    """The record with what the request's members say; `layers` None where it names none."""
    changes: dict[str, Any] = {}
    for member, field in (
        ("Role", "role"),
        ("Handler", "handler"),
        ("Runtime", "runtime"),
        ("Description", "description"),
        ("Timeout", "timeout_s"),
        ("MemorySize", "memory_mb"),
    ):
        if request.get(member) is not None:
            changes[field] = request[member]
    if request.get("EphemeralStorage") is not None:
        changes["ephemeral_mb"] = request["EphemeralStorage"]["Size"]
    if request.get("Environment") is not None:
        changes["environment"] = request["Environment"].get("Variables") or {}
    if request.get("DeadLetterConfig") is not None:
        changes["dead_letter_arn"] = request["DeadLetterConfig"].get("TargetArn") or ""
    if request.get("LoggingConfig") is not None:
        logging = {**version.logging, **request["LoggingConfig"]}
        if logging.get("LogFormat") == "JSON":
            logging = {**_BARE_JSON_LEVELS, **logging}
        else:
            logging = {member: value for member, value in logging.items() if member not in _BARE_JSON_LEVELS}
        changes["logging"] = logging
    kept = {member: request[member] for member in _KEPT if request.get(member) is not None}
    if request.get("DurableConfig"):
        kept["DurableConfig"] = {**DURABLE_DEFAULTS, **(version.kept.get("DurableConfig") or {}), **request["DurableConfig"]}
    if kept:
        changes["kept"] = {**version.kept, **kept}
    if layers is not None:
        changes["layers"] = layers
    return version.replace(**changes)


def document(name: FunctionName, function: Function, version: Version, *, qualified: bool | None = None) -> dict[str, Any]:
    """FunctionConfiguration. `qualified`: whether the ARN ends with the version; by default that of a published version does."""
    if qualified is None:
        qualified = version.number != 0
    kept = version.kept
    vpc = kept.get("VpcConfig") or {}
    result: dict[str, Any] = {
        "FunctionName": version.function_name,
        "FunctionArn": f"{name.arn}:{version.text}" if qualified else name.arn,
        "Runtime": version.runtime,
        "Role": version.role,
        "Handler": version.handler,
        "CodeSize": version.code.size_bytes,
        "Description": version.description,
        "Timeout": version.timeout_s,
        "MemorySize": version.memory_mb,
        "LastModified": last_modified(version.last_modified_ms),
        "CodeSha256": version.code.sha256,
        "Version": version.text,
        "TracingConfig": {"Mode": (kept.get("TracingConfig") or {}).get("Mode") or "PassThrough"},
        "RevisionId": version.revision_id,
        "State": version.state,
        "LastUpdateStatus": "Successful",
        "PackageType": images.package_type(version),
        "Architectures": [version.architecture],
        "EphemeralStorage": {"Size": version.ephemeral_mb},
        "SnapStart": {
            "ApplyOn": "PublishedVersions" if snapshots.wanted(kept) else "None",
            "OptimizationStatus": "On" if version.snap_start and version.state == "Active" else "Off",
        },
        "RuntimeVersionConfig": _runtime_version(name, function, version),
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{version.function_name}", **version.logging},
    }
    if version.state != "Active":
        creating = version.state == "Pending" and not version.state_reason
        result["StateReason"] = "The function is being created." if creating else version.state_reason
        codes = {"Pending": "Creating" if creating else "Restoring", "Inactive": "Idle"}
        result["StateReasonCode"] = version.state_reason_code or codes.get(version.state, "FunctionError.RuntimeInitError")
    if version.code.image is not None:
        for member in ("Runtime", "Handler", "RuntimeVersionConfig"):
            del result[member]
        if config := {member: value for member, value in (kept.get("ImageConfig") or {}).items() if value}:
            result["ImageConfigResponse"] = {"ImageConfig": config}
    if version.environment:
        result["Environment"] = {"Variables": version.environment}
    if version.layers:
        result["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.code.size_bytes} for layer in version.layers]
    if version.dead_letter_arn:
        result["DeadLetterConfig"] = {"TargetArn": version.dead_letter_arn}
    if vpc.get("SubnetIds"):
        result["VpcConfig"] = {"Ipv6AllowedForDualStack": False, **vpc, "VpcId": ""}
    if kept.get("TenancyConfig"):
        result["TenancyConfig"] = kept["TenancyConfig"]
    if kept.get("DurableConfig"):
        result["DurableConfig"] = kept["DurableConfig"]
    if kept.get("CapacityProviderConfig"):
        result["CapacityProviderConfig"] = kept["CapacityProviderConfig"]
        if version.number == 0:
            result["State"] = "ActiveNonInvocable"
        elif function.scaling and capacity.deactivated(function.scaling.get(version.text, {})):
            result["State"] = "Deactivated"
    if kept.get("KMSKeyArn"):
        result["KMSKeyArn"] = kept["KMSKeyArn"]
    result["ConfigSha256"] = _digest(result if version.sealed is None else {**result, "Environment": version.sealed.ciphertext.hex()})
    return result


def _digest(document: dict[str, Any]) -> str:
    """Of what the configuration says, whichever version says it. AWS does not tell how its own is made."""
    said = {member: value for member, value in document.items() if member not in _NOT_CONFIGURED}
    return b64encode(hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).digest()).decode()


def _runtime_version(name: FunctionName, function: Function, version: Version) -> dict[str, Any] | None:
    """RuntimeVersionConfig: the runtime version that UpdateRuntimeOn Manual names, else the one that runs."""
    if not version.runtime:
        return None
    pinned = function.runtime_pinned.get(version.text)
    return {"RuntimeVersionArn": pinned} if pinned else runtimes.version_config(version.runtime, name.region)


def being_created(document: dict[str, Any]) -> dict[str, Any]:
    """As CreateFunction answers: here the function is ready at once, but clients know the answer as Pending and wait for Active."""
    del document["LastUpdateStatus"]
    return {**document, "State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating"}


def being_updated(document: dict[str, Any]) -> dict[str, Any]:
    return {
        **document,
        "LastUpdateStatus": "InProgress",
        "LastUpdateStatusReason": "The function is being created.",
        "LastUpdateStatusReasonCode": "Creating",
    }


def last_modified(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000)) + f".{at_ms % 1000:03d}+0000"
