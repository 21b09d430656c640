"""What creating, updating and publishing share: layers of a configuration, destinations that its role must reach, numbered versions, where code can be fetched."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.runtime import UNPACKED_BYTES_MAX
from groundcloud.services.lambda_ import capacity, code_storage, errors, execution, packages, reclaiming, snapshots
from groundcloud.services.lambda_.names import PUBLISHED, PUBLISHED_NUMBER, FunctionName, number_in
from groundcloud.services.lambda_.state import (
    FUNCTIONS,
    LAYER_VERSIONS,
    SIGNING_CONFIGS,
    VERSIONS,
    Code,
    CodeSigningConfig,
    Function,
    LayerUse,
    Version,
)
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

LOCATION_S = 600
"""How long the address of a package can be used; AWS: GetFunction: "a link to download the deployment package that's valid for 10 minutes"."""

SEAL_PURPOSE = b"lambda-code"

# A destination's service -> what its role must be allowed, and how AWS words it. Those whose rooms do not exist are refused by name.
_SEND = {
    "sqs": ("sqs:SendMessage", "SendMessage on SQS"),
    "sns": ("sns:Publish", "Publish on SNS"),
    "lambda": ("lambda:InvokeFunction", "Invoke on Lambda"),
    "events": ("events:PutEvents", "PutEvents on EventBridge"),
    "s3": ("s3:PutObject", "PutObject on S3"),
}


def publish(tx: Transaction, call: Call, function: Function, latest: Version, description: str, publish_to: str = "") -> Version:
    """$LATEST as the next numbered version; the last one again if nothing has changed since. `publish_to` LATEST_PUBLISHED: as $LATEST.PUBLISHED."""
    if publish_to:
        return _publish_again(tx, call, latest.replace(description=description))
    if function.last_version:
        last = VERSIONS.get(tx, function.function_name, function.last_version)
        if last is not None and _same(last, latest):
            known = last.latest_description
            # A description for the version alone makes no new one; one that $LATEST was given since does.
            if known == latest.description if known is not None else last.description == description:
                return last
    capacity.check_room(tx, latest)
    code_storage.check(tx, latest.code)
    number = function.last_version + 1
    _name_packages(tx, call, latest)
    version = reclaiming.active(latest).replace(
        number=number,
        description=description,
        revision_id=call.new_id(),
        generation=call.token(16),
        last_modified_ms=latest.last_modified_ms,
        latest_description=latest.description,
    )
    version = snapshots.begin(tx, call, version)
    reclaiming.expect(tx, call, version)
    VERSIONS.put(tx, version)
    FUNCTIONS.put(tx, function.replace(last_version=number))
    return version


def _publish_again(tx: Transaction, call: Call, latest: Version) -> Version:
    """As $LATEST.PUBLISHED, in the place of what that was."""
    old = VERSIONS.get(tx, latest.function_name, PUBLISHED_NUMBER)
    if old is not None and _same(old, latest) and old.description == latest.description:
        return old
    if old is None:
        capacity.check_room(tx, latest)
    code_storage.check(tx, latest.code, old.code if old is not None else None)
    _name_packages(tx, call, latest)
    version = reclaiming.active(latest).replace(number=PUBLISHED_NUMBER, revision_id=call.new_id(), generation=call.token(16))
    VERSIONS.put(tx, version)
    if old is not None:
        executor = execution.of_server(call)
        for code in (old.code, *(layer.code for layer in old.layers)):
            packages.forget(tx, call, code, executor.pool)
        name = FunctionName(tx.account, tx.region, latest.function_name, PUBLISHED)
        executor.in_background(executor.retire(name, old))
    return version


def _name_packages(tx: Transaction, call: Call, version: Version) -> None:
    for code in (version.code, *(layer.code for layer in version.layers)):
        packages.name_again(tx, call, code)


def _same(published: Version, latest: Version) -> bool:
    """Whether only what marks a version differs."""
    return published == latest.replace(
        number=published.number,
        description=published.description,
        revision_id=published.revision_id,
        generation=published.generation,
        last_modified_ms=published.last_modified_ms,
        state=published.state,
        state_reason=published.state_reason,
        state_reason_code=published.state_reason_code,
        latest_description=published.latest_description,
    )


def layers_of(call: Call, layer_arns: Sequence[str], code: Code) -> tuple[LayerUse, ...]:
    """The layer versions of a configuration, each checked: it exists, the caller may use it, and all fit. Raises AwsError."""
    found: list[LayerUse] = []
    names: set[str] = set()
    for layer_arn in layer_arns:
        parts = layer_arn.split(":")
        if len(parts) != 8 or not parts[7].isdigit():
            raise errors.invalid_parameter(f"Layer version ARN {layer_arn} is not valid.")
        if ":".join(parts[:7]) in names:
            raise errors.invalid_parameter(
                f"Two different versions of the same layer are not allowed to be referenced in the same function. {layer_arn}"
            )
        names.add(":".join(parts[:7]))
        if parts[3] != call.region:
            raise errors.invalid_parameter(
                f"Layers are not in the same region as the function. Layers are expected to be in region {call.region}."
            )
        call.authorize("lambda:GetLayerVersion", layer_arn)
        layer = LAYER_VERSIONS.get(call.reading().at(parts[4], parts[3]), parts[6], number_in(parts[7]))
        if layer is None:
            raise errors.invalid_parameter(f"Layer version {layer_arn} does not exist.")
        found.append(LayerUse(layer_arn, layer.code))
    check_total(code, found)
    return tuple(found)


def check_total(code: Code, layers: Sequence[LayerUse]) -> None:
    total = code.unpacked_bytes + sum(layer.code.unpacked_bytes for layer in layers)
    if total > UNPACKED_BYTES_MAX:
        raise errors.invalid_parameter(
            f"Function code combined with layers exceeds the maximum allowed size of {UNPACKED_BYTES_MAX} bytes. The actual size is {total} bytes."
        )


def signing_config(tx: Transaction, config_arn: str) -> CodeSigningConfig:
    """A function's. Raises CodeSigningConfigNotFoundException."""
    config = SIGNING_CONFIGS.get(tx, config_arn.rsplit(":", 1)[-1])
    if config is None:
        raise errors.signing_config_not_found(config_arn, of_function=True)
    return config


def check_signature(tx: Transaction, config_arn: str) -> None:
    """Raises CodeVerificationFailedException where only signed code may be deployed: nothing here knows a signature, so that none is trusted."""
    if config_arn and signing_config(tx, config_arn).policy == "Enforce":
        raise errors.unsigned()


def check_destination(call: Call, request: dict[str, Any], role_arn: str) -> None:
    """The dead letter queue of a request: it can be reached from here, and the role may. Raises AwsError."""
    target_arn = (request.get("DeadLetterConfig") or {}).get("TargetArn")
    if not target_arn:
        return
    if target_arn.split(":")[2:3] not in (["sqs"], ["sns"]):
        raise errors.invalid_parameter("The target ARN of the dead letter config must be an SQS queue or an SNS topic.")
    check_sender(call, target_arn, role_arn)


def check_sender(call: Call, target_arn: str, role_arn: str, *, naming_it: bool = False) -> None:
    """Raises AwsError where `role_arn` may not send to `target_arn`, or nothing here takes what is sent. `naming_it`: AWS names the ARN."""
    service = target_arn.split(":")[2]
    action, words = _SEND.get(service, ("", ""))
    if service not in call.ground.rooms:
        raise errors.invalid_parameter(f"Groundcloud does not implement destinations of {service} yet ({target_arn}).")
    if not role_may(call, role_arn, action, f"{target_arn}/*" if service == "s3" else target_arn):
        if naming_it:
            sentence = f"The function's execution role does not have permissions to call {action.partition(':')[2]} on {target_arn}"
        else:
            sentence = f"The provided execution role does not have permissions to call {words}"
        raise errors.invalid_parameter(sentence)


def role_may(call: Call, role_arn: str, action: str, resource_arn: str) -> bool:
    """Whether a role may do something, its own policies and the resource's taken together."""
    parts = resource_arn.split(":")
    try:
        principal = call.ground.assume(call.reading(), role_arn, "groundcloud-lambda", None)
    except AwsError:
        return False
    room = call.ground.rooms.get(parts[2])
    seen = call.as_principal(principal, account=parts[4] or call.account, region=parts[3] or call.region, room=room)
    return seen.allowed(action, resource_arn)


def source(call: Call, code: Code) -> dict[str, Any]:
    """FunctionCodeLocation."""
    if code.image is not None:
        return {"RepositoryType": "ECR", "ImageUri": code.image.image_uri, "ResolvedImageUri": code.image.resolved_uri}
    return {"RepositoryType": "S3", "Location": location(call, code), "SourceKMSKeyArn": code.key_arn or None, **resolved(code)}


def resolved(code: Code) -> dict[str, Any]:
    """ResolvedS3Object, of a package that is referenced."""
    if code.referenced is None:
        return {}
    bucket, key, version_id = code.referenced
    return {"ResolvedS3Object": {"S3Bucket": bucket, "S3Key": key, "S3ObjectVersion": version_id or None}}


def location(call: Call, code: Code) -> str:
    """An address of the package that needs no signature, for ten minutes; `operations.function_urls` answers it."""
    ticket = json.dumps({"digest": code.digest, "expires_s": call.now_s + LOCATION_S}).encode()
    sealed = urlsafe_b64encode(call.ground.identities.seal(ticket, SEAL_PURPOSE)).decode()
    return f"{call.endpoint}/_aws/lambda-url/code/{sealed}"
