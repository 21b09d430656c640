"""Numbered versions."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import conditions, configuration, encryption, errors, markers, names, publishing
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.state import FUNCTIONS, VERSIONS


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def publish_version(call: Call, request: dict[str, Any]) -> encryption.Answer:
    name, function, latest = functions.load(call, names.of(call, request)._replace(qualifier=""))
    if request.get("RevisionId") is not None and request["RevisionId"] != latest.revision_id:
        raise errors.revision_changed()
    if request.get("CodeSha256") and request["CodeSha256"] != latest.code.sha256:
        raise errors.invalid_parameter(
            f"CodeSHA256 ({request['CodeSha256']}) is different from current CodeSHA256 in $LATEST ({latest.code.sha256}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
    description = request["Description"] if request.get("Description") is not None else latest.description
    version = publishing.publish(call.tx.at(name.account, name.region), call, function, latest, description, request.get("PublishTo") or "")
    document = configuration.document(name, function, version)
    return encryption.shown(call, document, [(name, version, document)])


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def list_versions_by_function(call: Call, request: dict[str, Any]) -> encryption.Answer:
    name = names.of(call, request)
    tx = call.tx.at(name.account, name.region)
    function = FUNCTIONS.get(tx, name.name)
    if function is None:
        raise errors.function_not_found(name.arn)
    limit = min(request.get("MaxItems") or functions.ITEMS_MAX, functions.ITEMS_MAX)
    marker = request.get("Marker")
    versions = list(VERSIONS.scan(tx, name.name, after=markers.number(marker) if marker else None, limit=limit + 1))
    shown = versions[:limit]
    if len(shown) > 1 and shown[0].number == names.PUBLISHED_NUMBER:
        shown[:2] = shown[1], shown[0]  # $LATEST is the first that clients look for
    documents = [functions.listed(configuration.document(name, function, version, qualified=True)) for version in shown]
    answer = {"Versions": documents, "NextMarker": str(versions[limit - 1].number) if len(versions) > limit else None}
    return encryption.shown(call, answer, [(name, version, document) for version, document in zip(shown, documents, strict=True)])
