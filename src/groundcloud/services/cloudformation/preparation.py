"""From a request's template and parameters to a stack that could be made of them. Everything here happens before anything is made.

The heavy part (parse, transform, check) is pure and runs in a thread; what it needs of other rooms (the template in S3, parameters
in SSM) is fetched around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.cloudformation import errors, includes, intrinsics, language_extensions, parameters, sam, template, validation
from groundcloud.services.cloudformation.intrinsics import NO_VALUE, Scope
from groundcloud.services.cloudformation.state import Stack
from groundcloud.services.cloudformation.template import Template

_IN_THREAD_FROM_BYTES = 4_000  # ours: below, a parse takes less than a thread's hand-over matters
_S3_DOCUMENT = "For more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A template that stands, with its parameters' values; `document` is after transforms, `source` before."""

    text: str
    source: Template | None
    template: Template
    texts: dict[str, str]
    stored: dict[str, str]
    hidden: list[str]
    transforms: list[str]
    scope: Scope  # without resources


async def template_text(call: Call, request: Mapping[str, Any], previous: str | None = None) -> str:
    """The text that TemplateBody, TemplateURL or UsePreviousTemplate names, within its size limit."""
    body, url = request.get("TemplateBody"), request.get("TemplateURL")
    if body and url:
        raise errors.validation("Specify either TemplateBody or TemplateURL, not both.")
    if request.get("UsePreviousTemplate"):
        if body or url:
            raise errors.validation("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
        if previous is None:
            raise errors.validation("You cannot specify UsePreviousTemplate for a stack that has no template.")
        return previous
    if body:
        template.check_size(body, template.TEMPLATE_INLINE_BYTES_MAX, "templateBody")
        return str(body)
    if not url:
        raise errors.validation("Either Template URL or Template Body must be specified.")
    return await fetch_text(call, url)


async def fetch_text(call: Call, url: str) -> str:
    """The object that an S3 URL (path style or virtual host, AWS's host or ours) names, read as the caller."""
    bucket, key, version = s3_location(url, urlsplit(call.endpoint).hostname or "", call.settings.port)
    request: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if version:
        request["VersionId"] = version
    try:
        answer = await call.request("s3", "GetObject", request)
    except AwsError as error:
        raise errors.validation(f"S3 error: {error.message}\n{_S3_DOCUMENT}") from None
    body = answer["Body"]
    if isinstance(body, bytes):
        data = body
    else:
        data = b""
        async for chunk in body:
            data += chunk
            if len(data) > template.TEMPLATE_BYTES_MAX:
                break
    if len(data) > template.TEMPLATE_BYTES_MAX:
        raise errors.validation(f"Template may not exceed {template.TEMPLATE_BYTES_MAX} bytes in size.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.template_format("Template must be UTF-8 text.") from None


def s3_location(url: str, own_host: str, own_port: int) -> tuple[str, str, str | None]:
    """Bucket, key and version of an S3 URL: AWS's hosts, or this server under any name. Raises ValidationError for any other."""
    try:
        parts = urlsplit(url)
        host, is_ours = (parts.hostname or "").lower(), parts.port == own_port
    except ValueError:
        raise errors.validation("TemplateURL must be a supported URL.") from None
    path = unquote(parts.path).lstrip("/")
    version = next((item[10:] for item in parts.query.split("&") if item.startswith("versionId=")), None)
    labels = host.split(".")
    bucket, key = "", ""
    if parts.scheme in ("http", "https"):
        is_ours = is_ours or host in (own_host, "localhost", "127.0.0.1", "::1")
        is_aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
        service = next((index for index, label in enumerate(labels) if label == "s3" or label.startswith("s3-")), -1)
        if service > 0 and (is_ours or is_aws or host.endswith(".localhost")):
            bucket, key = ".".join(labels[:service]), path
        elif is_ours or (service == 0 and is_aws):
            bucket, _, key = path.partition("/")
    if not bucket or not key:
        raise errors.validation("TemplateURL must be a supported URL.")
    return bucket, key, version


def pseudo_parameters(stack: Stack, account: str, region: str, partition: str) -> dict[str, Any]:
    return {
        "AWS::AccountId": account,
        "AWS::NotificationARNs": stack.notification_arns,
        "AWS::NoValue": NO_VALUE,
        "AWS::Partition": partition,
        "AWS::Region": region,
        "AWS::StackId": stack.stack_id,
        "AWS::StackName": stack.stack_name,
        "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
    }


def scope_of(stack: Stack, made: Template, pseudo: Mapping[str, Any]) -> Scope:
    """The scope of a stack's template without its resources: parameters, mappings, conditions evaluated."""
    texts = {**stack.parameters, **stack.resolved}
    scope = Scope(
        parameters={**parameters.reference_values(made.parameters, texts), **pseudo},
        mappings=made.mappings,
        extended=language_extensions.TRANSFORM in stack.transforms,
    )
    scope.conditions = intrinsics.evaluate_conditions(made.conditions, scope)
    return scope


async def parsed(call: Call, text: str) -> dict[str, Any]:
    if len(text) > _IN_THREAD_FROM_BYTES:
        return await call.in_thread(template.parse, text)  # type: ignore[no-any-return]
    return template.parse(text)


async def prepare(
    call: Call,
    text: str,
    given: list[dict[str, Any]],
    stack: Stack,
    previous: Mapping[str, str] | None,
    is_known: Callable[[str], bool],
    given_capabilities: list[str],
    *,
    expand: bool,
) -> Prepared:
    """Reads, transforms and checks a template for `stack` (whose name, id and notification ARNs the pseudo parameters tell).

    `previous` holds the parameter texts of the stack that is updated; `expand` demands CAPABILITY_AUTO_EXPAND for transforms.
    """
    document = await parsed(call, text)
    template.refuse_unusable(document)
    declared = template.declared_parameters(document)
    parameters.check_declarations(declared)
    texts = parameters.given_values(declared, given, previous)
    await call.in_thread(parameters.check_values, declared, texts) if _patterns(declared) else parameters.check_values(declared, texts)
    stored = await _stored_values(call, declared, texts)
    pseudo = pseudo_parameters(stack, call.account, call.region, call.partition)
    transforms = list(template.transforms_of(document))
    including = includes.present(document)
    source = template.sections(document) if not transforms and not including else None
    if source is not None:
        expanded = document
    else:
        _check_declared_capabilities(document, given_capabilities, expand)
        scope = Scope(
            parameters={**parameters.reference_values(declared, {**texts, **stored}), **pseudo},
            mappings=document.get("Mappings", {}),
            extended=True,
        )
        if including:
            document = await includes.expanded(call, document, scope, fetch_text)
        expanded = await call.in_thread(transformed, document, transforms, scope, {**texts, **stored}, call.region)
    made = template.sections(expanded)
    validation.check_references(made)
    validation.check_types(made, is_known)
    validation.check_capabilities(made, given_capabilities, expand=expand)
    bound = stack.replace(parameters=texts, resolved=stored, transforms=transforms)
    whole = scope_of(bound, made, pseudo)
    validation.check_references(made, whole.conditions)
    validation.check_rules(made, whole)
    hidden = [name for name, parameter in declared.items() if parameters.is_hidden(parameter)]
    return Prepared(text, source, made, texts, stored, hidden, transforms, whole)


def transformed(document: dict[str, Any], transforms: list[str], scope: Scope, texts: dict[str, str], region: str) -> dict[str, Any]:
    """The document after each transform, in the order declared. Pure; takes some 10 ms for a serverless one."""
    for name in transforms:
        if name == language_extensions.TRANSFORM:
            document = language_extensions.expand(document, scope)
        elif name == sam.TRANSFORM:
            pseudo = {key: value for key, value in scope.parameters.items() if key.startswith("AWS::") and isinstance(value, str)}
            document = sam.expand(document, {**texts, **pseudo}, region)
        elif name == includes.TRANSFORM:
            continue  # done before the others, as every nested transform
        elif name in (
            "AWS::SecretsManager-2020-07-23",
            "AWS::SecretsManager-2024-09-16",
            "AWS::CodeDeployBlueGreen",
            "AWS::ServiceCatalog",
        ):
            raise errors.not_implemented(f"Transform {name}")
        else:
            raise errors.validation(f"No transform named {name} found.")
    return {key: value for key, value in document.items() if key not in ("Transform", "Globals")}


def _patterns(declared: Mapping[str, Mapping[str, Any]]) -> bool:
    return any("AllowedPattern" in parameter for parameter in declared.values())


def _check_declared_capabilities(document: Mapping[str, Any], given: list[str], expand: bool) -> None:
    resources = document.get("Resources")
    if isinstance(resources, dict):
        shaped = {name: member for name, member in resources.items() if isinstance(member, dict) and isinstance(member.get("Type"), str)}
        partial = Template(
            document=dict(document), resources=shaped, transforms=template.transforms_of(dict(document)) or (includes.TRANSFORM,)
        )
        validation.check_capabilities(partial, given, expand=expand)


async def _stored_values(call: Call, declared: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> dict[str, str]:
    """What the parameters of type AWS::SSM::Parameter::Value<...> name. Without an ssm room they are refused by name."""
    values: dict[str, str] = {}
    for name in parameters.stored_names(declared):
        try:
            answer = await call.request("ssm", "GetParameter", {"Name": texts[name]})
        except AwsError as error:
            if error.code in ("ParameterNotFound", "ParameterVersionNotFound"):
                raise errors.validation(f"Unable to fetch parameters [{texts[name]}] from parameter store for this account.") from None
            raise errors.validation(f"Parameter {name} of type {declared[name]['Type']}: {error.message}") from None
        values[name] = answer["Parameter"]["Value"]
    return values
