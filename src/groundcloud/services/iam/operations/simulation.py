"""The policy simulator, and the context keys that policies ask for."""

from __future__ import annotations

from typing import Any

from groundcloud.auth import documents as grammar
from groundcloud.auth import simulate as simulator
from groundcloud.auth.documents import Kind, MalformedPolicy, Policy
from groundcloud.auth.policy import Policies
from groundcloud.auth.principals import Principal
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.identity import IdentityPolicies
from groundcloud.kernel.service import operation
from groundcloud.services.iam import directory, errors, names, pages
from groundcloud.services.iam.limits import SIMULATED_PAIRS_MAX


def _source_of_request(call: Call, request: dict[str, Any]) -> str:
    return str(request["PolicySourceArn"])


@operation()
def simulate_custom_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    texts = {f"PolicyInputList.{position}": text for position, text in enumerate(request["PolicyInputList"], 1)}
    caller = _caller(call, request, Principal("user", f"arn:aws:iam::{call.account}:user/simulated", call.account))
    return _simulate(call, request, caller, texts, None)


@operation(resource=_source_of_request)
def simulate_principal_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    principal, raw = _source(call, request["PolicySourceArn"])
    texts = dict(raw.identity)
    texts.update({f"PolicyInputList.{position}": text for position, text in enumerate(request.get("PolicyInputList") or (), 1)})
    return _simulate(call, request, _caller(call, request, principal), texts, raw.boundary)


@operation()
def get_context_keys_for_custom_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"ContextKeyNames": simulator.context_keys(_parsed(text, "identity", "") for text in request["PolicyInputList"])}


@operation(resource=_source_of_request)
def get_context_keys_for_principal_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _, raw = _source(call, request["PolicySourceArn"])
    texts = [text for _, text in raw.identity] + list(request.get("PolicyInputList") or ())
    return {"ContextKeyNames": simulator.context_keys(_parsed(text, "identity", "") for text in texts)}


def _simulate(
    call: Call, request: dict[str, Any], principal: Principal, texts: dict[str, str], own_boundary: tuple[str, str] | None
) -> dict[str, Any]:
    if request.get("ResourceHandlingOption"):
        raise AwsError("NotImplementedException", "Groundcloud does not implement ResourceHandlingOption yet.", status=501)
    if len(request["ActionNames"]) * len(request.get("ResourceArns") or "*") > SIMULATED_PAIRS_MAX:
        raise errors.invalid_input(f"More than {SIMULATED_PAIRS_MAX} pairs of an action and a resource are too many for one simulation.")
    boundaries = request.get("PermissionsBoundaryPolicyInputList") or ()
    if len(boundaries) > 1:
        raise errors.invalid_input("Only one permissions boundary policy may be given.")
    boundary: Policy | None = None
    if boundaries:
        boundary = _parsed(boundaries[0], "boundary", "PermissionsBoundaryPolicyInputList.1")
    elif own_boundary is not None:
        boundary = _parsed(own_boundary[1], "boundary", own_boundary[0])
    resource: Policy | None = None
    if "ResourcePolicy" in request:
        resource = _parsed(request["ResourcePolicy"], "resource", "ResourcePolicy")
    owner = request.get("ResourceOwner") or ""
    if owner.startswith("arn:"):
        owner = owner.split(":", 5)[4]
    identity = [_parsed(text, "identity", name) for name, text in texts.items()]
    sources = {**texts, "ResourcePolicy": request.get("ResourcePolicy", "")} if resource is not None else texts
    results = simulator.simulate(
        principal,
        Policies(identity, resource, boundary),
        request["ActionNames"],
        request.get("ResourceArns") or ("*",),
        _context(request),
        owner,
        sources,
    )
    start = pages.after(request, int) or 0
    rest = list(enumerate(results, 1))[start:]
    return pages.page(request, "EvaluationResults", rest, lambda pair: pair[0], lambda pair: pair[1])


def _source(call: Call, arn: str) -> tuple[Principal, IdentityPolicies]:
    """The user, group or role of that ARN with its policies. Raises NoSuchEntity, InvalidInput."""
    kind = arn.rpartition(":")[2].partition("/")[0] if arn.startswith(f"arn:aws:iam::{call.account}:") else ""
    if kind not in ("user", "group", "role"):
        raise errors.invalid_input(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    found = names.TABLES[kind].get(call.tx, names.key_of_arn(arn))
    if found is None or found.arn != arn:
        raise errors.no_such_entity(f"The {kind} with name {arn.rsplit('/', 1)[-1]} cannot be found.")
    if kind == "group":
        principal = Principal("user", f"arn:aws:iam::{call.account}:user/simulated", call.account)
        return principal, IdentityPolicies(tuple(directory.policies_of(call.tx, "group", found.key)))
    if kind == "role":
        session = f"arn:aws:sts::{call.account}:assumed-role/{found.name}/simulated"
        principal = Principal("role-session", session, call.account, arn, found.unique_id)
    else:
        principal = Principal("user", arn, call.account, "", found.unique_id)
    return principal, directory.DIRECTORY.policies(call.tx, principal)


def _caller(call: Call, request: dict[str, Any], principal: Principal) -> Principal:
    """CallerArn, a user, in the place of the one whose policies are simulated."""
    arn = request.get("CallerArn")
    if arn is None:
        return principal
    if ":user/" not in arn:
        raise errors.invalid_input(f"CallerArn {arn} must be the ARN of an IAM user.")
    return Principal("user", arn, arn.split(":", 5)[4])


def _context(request: dict[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = {}
    for entry in request.get("ContextEntries") or ():
        values = list(entry.get("ContextKeyValues") or ())
        many = str(entry.get("ContextKeyType", "")).endswith("List")
        context[entry["ContextKeyName"]] = values if many or len(values) != 1 else values[0]
    return context


def _parsed(text: str, kind: Kind, name: str) -> Policy:
    try:
        return grammar.parse(text, kind, name)
    except MalformedPolicy as fault:
        raise errors.invalid_input(fault.message) from None
