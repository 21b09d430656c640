"""Settings of a function that are kept beside its configuration: code signing, recursion, runtime management."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import conditions, configuration, errors, execution, images, names, publishing, tags
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.state import FUNCTIONS, SIGNING_CONFIGS, CodeSigningConfig
from groundcloud.store import Transaction

ITEMS_MAX = 50


def _config_arn_of(call: Call, request: dict[str, Any]) -> str:
    return str(request["CodeSigningConfigArn"])


@operation(resource="*", context=conditions.of_tags)
def create_code_signing_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    config = CodeSigningConfig(
        config_id=f"csc-{call.token(17)}",
        last_modified_ms=call.now_ms,
        description=request.get("Description") or "",
        publishers=tuple(request["AllowedPublishers"]["SigningProfileVersionArns"]),
        policy=(request.get("CodeSigningPolicies") or {}).get("UntrustedArtifactOnDeployment") or "Warn",
        tags=tags.of_new(call, request.get("Tags"), call.arn("lambda", "code-signing-config:*")),
    )
    SIGNING_CONFIGS.put(call.tx, config)
    return {"CodeSigningConfig": _config_document(call, config)}


@operation(resource=_config_arn_of)
def get_code_signing_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"CodeSigningConfig": _config_document(call, _config(call.tx, request["CodeSigningConfigArn"]))}


@operation(resource=_config_arn_of)
def update_code_signing_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    config = _config(call.tx, request["CodeSigningConfigArn"])
    changes: dict[str, Any] = {"last_modified_ms": call.now_ms}
    if request.get("Description") is not None:
        changes["description"] = request["Description"]
    if request.get("AllowedPublishers"):
        changes["publishers"] = tuple(request["AllowedPublishers"]["SigningProfileVersionArns"])
    if request.get("CodeSigningPolicies"):
        changes["policy"] = request["CodeSigningPolicies"].get("UntrustedArtifactOnDeployment") or config.policy
    config = config.replace(**changes)
    SIGNING_CONFIGS.put(call.tx, config)
    return {"CodeSigningConfig": _config_document(call, config)}


@operation(resource=_config_arn_of)
def delete_code_signing_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    config = _config(call.tx, request["CodeSigningConfigArn"])
    if any(function.code_signing_config_arn == request["CodeSigningConfigArn"] for function in FUNCTIONS.scan(call.tx)):
        raise errors.conflict("You cannot delete a code signing configuration that is in use by a function.")
    SIGNING_CONFIGS.delete(call.tx, config.config_id)
    return {}


@operation()
def list_code_signing_configs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    found = list(SIGNING_CONFIGS.scan(call.tx, after=request.get("Marker"), limit=limit + 1))
    marker = found[limit - 1].config_id if len(found) > limit else None
    return {"CodeSigningConfigs": [_config_document(call, config) for config in found[:limit]], "NextMarker": marker}


@operation(resource=_config_arn_of)
def list_functions_by_code_signing_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _config(call.tx, request["CodeSigningConfigArn"])
    arn = request["CodeSigningConfigArn"]
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    found = [one.function_name for one in FUNCTIONS.scan(call.tx, after=request.get("Marker")) if one.code_signing_config_arn == arn]
    marker = found[limit - 1] if len(found) > limit else None
    return {"FunctionArns": [call.arn("lambda", f"function:{function_name}") for function_name in found[:limit]], "NextMarker": marker}


@operation(resource=names.unqualified_arn_of, context=conditions.of_configuration)
def put_function_code_signing_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    target = functions.load(call, names.of(call, request))
    publishing.signing_config(call.tx, request["CodeSigningConfigArn"])
    images.check_unsigned(images.package_type(target.version))
    _change(call, target, code_signing_config_arn=request["CodeSigningConfigArn"])
    return {"CodeSigningConfigArn": request["CodeSigningConfigArn"], "FunctionName": target.name.name}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def get_function_code_signing_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    target = functions.load(call, names.of(call, request))
    # AWS answers a function without one with empty strings left out.
    return {"CodeSigningConfigArn": target.function.code_signing_config_arn or None, "FunctionName": target.name.name}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def delete_function_code_signing_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _change(call, functions.load(call, names.of(call, request)), code_signing_config_arn="")
    return {}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def put_function_recursion_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _change(call, functions.load(call, names.of(call, request)), recursion=request["RecursiveLoop"])
    return {"RecursiveLoop": request["RecursiveLoop"]}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def get_function_recursion_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"RecursiveLoop": functions.load(call, names.of(call, request)).function.recursion}


@operation(resource=names.arn_of, context=conditions.of_function)
def put_runtime_management_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Kept and shown. Runtimes are the machine's: what runs is what it has, whichever version of AWS's is named."""
    target = functions.load(call, names.of(call, request))
    if images.package_type(target.version) == images.IMAGE:
        raise errors.invalid_parameter("Runtime management is not supported for functions created with container images.")
    mode, version_arn, text = request["UpdateRuntimeOn"], request.get("RuntimeVersionArn"), target.version.text
    if mode == "Manual" and not version_arn:
        raise errors.invalid_parameter("RuntimeVersionArn must be provided when UpdateRuntimeOn is Manual.")
    if mode != "Manual" and version_arn:
        raise errors.invalid_parameter(f"RuntimeVersionArn can't be provided when UpdateRuntimeOn is {mode}.")
    pinned = {other: arn for other, arn in target.function.runtime_pinned.items() if other != text}
    if version_arn:
        pinned[text] = version_arn
    _change(call, target, runtime_update={**target.function.runtime_update, text: mode}, runtime_pinned=pinned)
    return {"UpdateRuntimeOn": mode, "FunctionArn": target.name.qualified_arn, "RuntimeVersionArn": version_arn}


@operation(resource=names.arn_of, context=conditions.of_function)
def get_runtime_management_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    target = functions.load(call, names.of(call, request))
    mode = target.function.runtime_update.get(target.version.text, "Auto")
    pinned = target.function.runtime_pinned.get(target.version.text)
    return {"UpdateRuntimeOn": mode, "FunctionArn": target.name.qualified_arn, "RuntimeVersionArn": pinned}


def _change(call: Call, target: execution.Target, **changes: Any) -> None:
    FUNCTIONS.put(call.tx.at(target.name.account, target.name.region), target.function.replace(**changes))


def _config(tx: Transaction, config_arn: str) -> CodeSigningConfig:
    config = SIGNING_CONFIGS.get(tx, config_arn.rsplit(":", 1)[-1])
    if config is None:
        raise errors.signing_config_not_found(config_arn)
    return config


def _config_document(call: Call, config: CodeSigningConfig) -> dict[str, Any]:
    return {
        "CodeSigningConfigId": config.config_id,
        "CodeSigningConfigArn": call.arn("lambda", f"code-signing-config:{config.config_id}"),
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.publishers)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.policy},
        "LastModified": configuration.last_modified(config.last_modified_ms),
    }
