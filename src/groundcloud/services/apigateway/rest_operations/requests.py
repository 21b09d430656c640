"""Requests to REST APIs: the data plane's door."""

from __future__ import annotations

from groundcloud.http.front import endpoint_labels
from groundcloud.kernel.call import Call, service_principal
from groundcloud.kernel.service import endpoint
from groundcloud.services.apigateway.gateway import rest
from groundcloud.services.apigateway.gateway.compiled import Stages
from groundcloud.services.apigateway.gateway.functions import PRINCIPAL
from groundcloud.services.apigateway.state import EXECUTE
from groundcloud.wire.message import HttpRequest, HttpResponse


@endpoint("execute-api")
async def answer_rest(call: Call, http: HttpRequest) -> HttpResponse | None:
    """`https://{api}.execute-api.../{stage}/{path}`; None for an API that is not a REST API of this server."""
    api_id, stage_name, path = endpoint_labels(http)
    execute = EXECUTE.get(call.reading(), api_id) if api_id else None
    if execute is None or execute.kind != "REST":
        return None
    if stage_name is None:
        stage_name, _, rest_of_path = path[1:].partition("/")
        path = "/" + rest_of_path
    own = call.as_principal(service_principal(PRINCIPAL), account=execute.account, region=execute.region)
    return await rest.answer(own, http, execute, call.own("stages", Stages), stage_name, path)
