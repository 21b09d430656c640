"""What a caller must be allowed: `apigateway:METHOD` on the path of the request, as `arn:aws:apigateway:region::/restapis/...`.

AWS: "Actions, resources, and condition keys for Amazon API Gateway Management".
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from groundcloud.kernel.service import Access
from groundcloud.wire import model as models

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

_LABEL = re.compile(r"\{([^}]+)\}")


@cache
def _path_of(service: str, operation_name: str) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """HTTP method, path with labels, and (label, member) pairs."""
    operation = models.load(service).operation(operation_name)
    members = models.load(service).shapes[operation.input_shape]["members"] if operation.input_shape else {}
    named = {reference.get("locationName", member): member for member, reference in members.items() if reference.get("location") == "uri"}
    path = operation.request_uri.partition("?")[0]
    return operation.http_method, path, tuple((label, named[label]) for label in _LABEL.findall(path))


def by_path(call: Call, request: dict[str, Any]) -> list[Access]:
    method, path, labels = _path_of(call.service, call.operation)
    for label, member in labels:
        path = path.replace("{" + label + "}", quote(str(request.get(member, "")), safe="$*"))
    return [Access(f"apigateway:{method}", f"arn:aws:apigateway:{call.region}::{path}")]
