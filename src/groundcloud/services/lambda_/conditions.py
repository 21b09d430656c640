"""What policies may ask about a request. Pure but for reads. Whoever is the owner's root needs none of it.

AWS: Service Authorization Reference, "Actions, resources, and condition keys for AWS Lambda". lambda:VpcIds is never there: nothing here knows which VPC
a subnet is in. lambda:SourceFunctionArn is in the credentials of a function's sandbox (`execution`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.services.lambda_ import names
from groundcloud.services.lambda_.state import FUNCTIONS, URLS

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Facts = dict[str, Any]


def of_function(call: Call, request: dict[str, Any]) -> Facts:
    """aws:ResourceTag of the function that is named."""
    name = names.of(call, request)
    if call.principal.kind == "root" and name.account == call.account:
        return {}
    function = FUNCTIONS.get(call.reading().at(name.account, name.region), name.name)
    return resource_tags(function.tags) if function is not None else {}


def of_configuration(call: Call, request: dict[str, Any]) -> Facts:
    """Of a function that is to be made or changed: layers, network, code signing, tags."""
    if call.principal.kind == "root":
        return {}
    facts = {**of_function(call, request), **of_tags(call, request)}
    vpc = request.get("VpcConfig") or {}
    for key, values in (
        ("lambda:Layer", request.get("Layers")),
        ("lambda:SubnetIds", vpc.get("SubnetIds")),
        ("lambda:SecurityGroupIds", vpc.get("SecurityGroupIds")),
        ("lambda:CodeSigningConfigArn", request.get("CodeSigningConfigArn")),
    ):
        if values:
            facts[key] = values
    return facts


def of_tags(call: Call, request: dict[str, Any]) -> Facts:
    """aws:RequestTag and aws:TagKeys of tags that are given or taken."""
    given = request.get("Tags") or {}
    facts: Facts = {f"aws:RequestTag/{key}": value for key, value in given.items()}
    keys = [*given, *(request.get("TagKeys") or ())]
    return {**facts, "aws:TagKeys": keys} if keys else facts


def of_url(call: Call, request: dict[str, Any]) -> Facts:
    """lambda:FunctionUrlAuthType: of the request, else of the URL that is there."""
    facts = of_function(call, request)
    auth_type = request.get("AuthType")
    if auth_type is None:
        name = names.of(call, request)
        url = URLS.get(call.reading().at(name.account, name.region), name.name, name.qualifier)
        auth_type = url.auth_type if url is not None else None
    return {**facts, "lambda:FunctionUrlAuthType": auth_type} if auth_type is not None else facts


def resource_tags(tags: dict[str, str]) -> Facts:
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
