"""The AWS::Include transform: what a file in S3 holds takes the place of the Fn::Transform that names it, beside its siblings.

AWS: "AWS::Include transform". A snippet is read as the caller; one within another is not expanded, as on AWS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.cloudformation import errors, intrinsics, template

TRANSFORM = "AWS::Include"
_FUNCTION = "Fn::Transform"
_INCLUDES_MAX = 100  # ours


def present(document: Mapping[str, Any]) -> bool:
    return next(_arguments(document), None) is not None


def locations(document: Mapping[str, Any], scope: intrinsics.Scope) -> list[str]:
    """What the includes of a document name, each once. Raises ValidationError."""
    found = dict.fromkeys(_location(argument, scope) for argument in _arguments(document))
    if len(found) > _INCLUDES_MAX:
        raise errors.transform_failed(TRANSFORM, f"The template includes more than {_INCLUDES_MAX} files")
    return list(found)


def url_of(location: str) -> str:
    """An S3 URI or URL as a URL. Raises ValidationError."""
    if location.startswith("s3://") and "/" in location[5:]:
        return "https://s3.amazonaws.com/" + location[5:]
    if location.startswith("https://"):
        return location
    raise errors.transform_failed(TRANSFORM, "The location parameter is not a valid S3 Uri.")


def snippet(text: str) -> dict[str, Any]:
    try:
        return template.parse(text)
    except AwsError:
        raise errors.transform_failed(TRANSFORM, "The specified S3 object's content should be valid Yaml/JSON") from None


def expand(document: dict[str, Any], scope: intrinsics.Scope, snippets: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The document with every include replaced; `snippets` by location. A file named in the Transform section adds to the template's sections."""
    result: dict[str, Any] = _replaced({key: value for key, value in document.items() if key != "Transform"}, scope, snippets)
    for argument in _declared(document):
        for section, content in snippets[_location(argument, scope)].items():
            known = result.get(section)
            result[section] = {**known, **content} if isinstance(known, dict) and isinstance(content, dict) else content
    return {**result, "Transform": document["Transform"]} if "Transform" in document else result


async def expanded(call: Call, document: dict[str, Any], scope: intrinsics.Scope, fetch: Any) -> dict[str, Any]:
    """`fetch(call, url)` reads an object's text."""
    snippets = {}
    for location in locations(document, scope):
        try:
            snippets[location] = snippet(await fetch(call, url_of(location)))
        except AwsError as error:
            if error.message.startswith("Transform "):
                raise
            raise errors.transform_failed(TRANSFORM, error.message) from None
    return expand(document, scope, snippets)


def _replaced(value: Any, scope: intrinsics.Scope, snippets: Mapping[str, dict[str, Any]]) -> Any:
    if isinstance(value, list):
        return [_replaced(item, scope, snippets) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: _replaced(member, scope, snippets) for key, member in value.items()}
    if _is_include(value.get(_FUNCTION)):
        del result[_FUNCTION]
        result |= snippets[_location(value[_FUNCTION], scope)]
    return result


def _arguments(document: Mapping[str, Any]) -> Iterator[Any]:
    yield from _declared(document)
    pending: list[Any] = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if _is_include(value.get(_FUNCTION)):
                yield value[_FUNCTION]
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def _declared(document: Mapping[str, Any]) -> Iterator[Any]:
    section = document.get("Transform")
    for entry in section if isinstance(section, list) else [section]:
        if entry == TRANSFORM or _is_include(entry):
            yield entry


def _is_include(argument: Any) -> bool:
    return isinstance(argument, dict) and argument.get("Name") == TRANSFORM


def _location(argument: Any, scope: intrinsics.Scope) -> str:
    parameters = argument.get("Parameters") if isinstance(argument, dict) else None
    location = intrinsics.resolve(parameters.get("Location"), scope) if isinstance(parameters, dict) else None
    if not isinstance(location, str):
        raise errors.transform_failed(TRANSFORM, "The location parameter is not a valid S3 Uri.")
    return location
