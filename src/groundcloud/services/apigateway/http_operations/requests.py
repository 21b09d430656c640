"""Requests to HTTP APIs: the data plane's door."""

from __future__ import annotations

from urllib.parse import unquote

from groundcloud.http.front import endpoint_labels
from groundcloud.kernel.call import Call, service_principal
from groundcloud.kernel.service import endpoint
from groundcloud.services.apigateway.gateway import http as http_apis
from groundcloud.services.apigateway.gateway.compiled import Stages
from groundcloud.services.apigateway.gateway.functions import PRINCIPAL
from groundcloud.services.apigateway.state import EXECUTE
from groundcloud.wire.message import HttpRequest, HttpResponse


@endpoint("execute-api")
async def answer_http(call: Call, http: HttpRequest) -> HttpResponse | None:
    """`https://{api}.execute-api.../{path}`; None for an API that is not an HTTP API of this server."""
    api_id, stage_name, path = endpoint_labels(http)
    execute = EXECUTE.get(call.reading(), api_id) if api_id else None
    if execute is None or execute.kind != "HTTP":
        return None
    if stage_name is not None and path == "/" and not http.raw_path.endswith("/"):
        path = ""
    own = call.as_principal(service_principal(PRINCIPAL), account=execute.account, region=execute.region)
    return await http_apis.answer(own, http, execute, call.own("stages", Stages), unquote(stage_name) if stage_name else None, path)
