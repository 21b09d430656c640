"""TestInvokeMethod: a method run as it is now, without a deployment, a key or an authoriser, and what happened on the way."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from groundcloud.kernel.call import Call, service_principal
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.gateway import execution_logs, rest
from groundcloud.services.apigateway.gateway.compiled import compile_rest
from groundcloud.services.apigateway.gateway.exchange import Exchange, Refusal
from groundcloud.services.apigateway.gateway.functions import PRINCIPAL
from groundcloud.services.apigateway.rest_snapshots import as_it_is
from groundcloud.services.apigateway.state import EXECUTE, METHODS, RESOURCES, REST_APIS, Stage
from groundcloud.wire.message import HttpRequest

STAGE_NAME = "test-invoke-stage"


@operation(access=by_path)
async def test_invoke_method(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The log is the execution log of level INFO with data traced."""
    tx = call.reading()
    api, execute = REST_APIS.get(tx, request["restApiId"]), EXECUTE.get(tx, request["restApiId"])
    if api is None or execute is None:
        raise errors.no_rest_api(call.account, request["restApiId"])
    resource = RESOURCES.get(tx, api.api_id, request["resourceId"])
    method = METHODS.get(tx, api.api_id, request["resourceId"], request["httpMethod"])
    if resource is None or method is None:
        raise errors.not_found("Invalid Resource identifier specified" if resource is None else "Invalid Method identifier specified")
    if method.method_integration is None:
        raise errors.bad_request("No integration defined for method")
    snapshot = as_it_is(tx, api)
    snapshot = snapshot.replace(methods=[method])
    variables = request.get("stageVariables") or {}
    stage = compile_rest(tx, execute, api, Stage(api.api_id, STAGE_NAME, "test", call.now_s, call.now_s, variables=variables), snapshot)
    path, _, query = (request.get("pathWithQueryString") or resource.path).partition("?")
    headers = {name.lower(): value for name, value in (request.get("headers") or {}).items()}
    headers |= {name.lower(): ",".join(values) for name, values in (request.get("multiValueHeaders") or {}).items()}
    headers.setdefault("host", f"{api.api_id}.execute-api.{call.region}.amazonaws.com")
    body = (request.get("body") or "").encode()
    verb = "GET" if method.http_method == "ANY" else method.http_method
    http = HttpRequest(verb, quote(path, safe="/%:@!$&'()*+,;=~-._{}"), query, headers, body, "test-invoke-source-ip")
    own = call.as_principal(service_principal(PRINCIPAL))
    exchange = Exchange(own, http, stage, http.raw_path, http.raw_path)
    try:
        response = await rest.run(exchange, stage)
    except Refusal as refusal:
        response = rest.gateway_response(exchange, stage, refusal)
    exchange.finished(response)
    lines: list[str] = []
    if exchange.route is not None:
        exchange.route.log_level, exchange.route.data_trace = "INFO", True
        lines = execution_logs.lines_of(exchange, response)
    content = response.body if isinstance(response.body, bytes) else b""
    many: dict[str, list[str]] = {}
    for name, value in response.headers:
        many.setdefault(name, []).append(value)
    return {
        "status": response.status,
        "body": content.decode(errors="replace"),
        "headers": {name: values[-1] for name, values in many.items()},
        "multiValueHeaders": many,
        "log": "".join(f"{line}\n" for line in lines),
        "latency": exchange.latency_ms,
    }
