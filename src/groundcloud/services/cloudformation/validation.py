"""Whether a template's references point somewhere, its types exist, and what it asks leave for. Before anything is created."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from groundcloud.services.cloudformation import errors, graph, intrinsics
from groundcloud.services.cloudformation.template import Template

PSEUDO_PARAMETERS = (
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
)
EXTENSIONS = "AWS::LanguageExtensions"
SERVERLESS = "AWS::Serverless-2016-10-31"

# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html, Capabilities
_IAM_TYPES: dict[str, str | None] = {
    "AWS::IAM::AccessKey": None,
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": None,
}
SHIFTING = "CodeDeployLambdaAliasUpdate"
_SIGNALED_TYPES = {"AWS::CloudFormation::WaitCondition"}
_SERVERLESS_ROLES = {"AWS::Serverless::Function": "Role", "AWS::Serverless::StateMachine": "Role", "AWS::Serverless::Connector": None}


def check_types(template: Template, is_known: Callable[[str], bool]) -> None:
    """Refuses a template with a resource type that this server has not, by name."""
    unknown = {resource["Type"] for resource in template.resources.values() if not is_known(resource["Type"])}
    for logical_id, resource in template.resources.items():
        if "Snapshot" in (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")):
            raise errors.template_error(f"resource type {resource['Type']} does not support deletion policy Snapshot")
        if "UpdatePolicy" in resource or ("CreationPolicy" in resource and resource["Type"] not in _SIGNALED_TYPES):
            if SHIFTING in str(resource.get("UpdatePolicy")):  # also within Fn::If
                raise errors.no_traffic_shifting(logical_id)
            policy = "UpdatePolicy" if "UpdatePolicy" in resource else "CreationPolicy"
            raise errors.not_implemented(f"{policy} of {resource['Type']}")
    if unknown:
        advice = errors.NO_CODEDEPLOY if any(name.startswith("AWS::CodeDeploy::") for name in unknown) else ""
        raise errors.template_format(f"Unrecognized resource types: [{', '.join(sorted(unknown))}]{advice}")


def check_references(template: Template, conditions: Mapping[str, bool] | None = None) -> None:
    """Refuses references to what the template does not declare. With `conditions` known, only branches taken count, and a
    resource whose condition is false is as if it were not there."""
    named = set(template.parameters) | set(PSEUDO_PARAMETERS)
    resources = active(template, conditions)
    for name in template.parameters:
        if name in template.resources:
            raise errors.template_format(f"Duplicate name {name}: a parameter and a resource.")
    for logical_id, resource in resources.items():
        condition = resource.get("Condition")
        if condition is not None and condition not in template.conditions:
            raise errors.template_format(f"Unresolved condition dependency {condition} in the Resources block of the template")
        depends_on = resource.get("DependsOn", [])
        missing = [name for name in ([depends_on] if isinstance(depends_on, str) else depends_on) if name not in template.resources]
        if missing:
            raise _unresolved(missing, "Resources")
        _check(template, {key: value for key, value in resource.items() if key != "Condition"}, named, resources, conditions, "Resources")
        if logical_id in graph.dependencies({logical_id: resource}, conditions)[logical_id]:
            raise errors.validation(f"Circular dependency between resources: [{logical_id}]")
    for output in template.outputs.values():
        condition = output.get("Condition")
        if condition is not None and condition not in template.conditions:
            raise errors.template_format(f"Unresolved condition dependency {condition} in the Outputs block of the template")
        if condition is not None and conditions is not None and not conditions[condition]:
            continue
        body = {key: value for key, value in output.items() if key != "Condition"}
        _check(template, body, named, resources, conditions, "Outputs")
    for expression in template.conditions.values():
        names = [name for kind, name, _ in intrinsics.references(expression) if kind in ("Ref", "Fn::GetAtt") and name not in named]
        if names:
            raise errors.template_format(
                f"Unresolved dependencies [{', '.join(names)}]. Cannot reference resources in the Conditions block of the template"
            )
    graph.order(graph.dependencies(resources, conditions))


def active(template: Template, conditions: Mapping[str, bool] | None) -> dict[str, dict[str, Any]]:
    """The resources whose condition holds; all of them where the conditions are not known."""
    if conditions is None:
        return template.resources
    return {
        logical_id: resource
        for logical_id, resource in template.resources.items()
        if "Condition" not in resource or conditions.get(resource["Condition"], False)
    }


def capabilities_needed(template: Template) -> tuple[list[str], list[str]]:
    """The capabilities that a template must be given (CAPABILITY_IAM or CAPABILITY_NAMED_IAM), and the types that need them."""
    types: set[str] = set()
    named = False
    for resource in template.resources.values():
        kind = resource["Type"]
        properties = resource.get("Properties", {})
        if kind in _IAM_TYPES:
            types.add(kind)
            named = named or (_IAM_TYPES[kind] or "") in properties
        elif kind in _SERVERLESS_ROLES and (_SERVERLESS_ROLES[kind] or "") not in properties:
            types.add(kind)
    if not types:
        return [], []
    return (["CAPABILITY_NAMED_IAM"] if named else ["CAPABILITY_IAM"]), sorted(types)


def check_capabilities(template: Template, given: list[str], *, expand: bool) -> None:
    """Raises InsufficientCapabilitiesException. `expand`: transforms need CAPABILITY_AUTO_EXPAND too (stacks do, change sets not)."""
    needed, _ = capabilities_needed(template)
    missing = [name for name in needed if name not in given and not (name == "CAPABILITY_IAM" and "CAPABILITY_NAMED_IAM" in given)]
    if expand and template.transforms and "CAPABILITY_AUTO_EXPAND" not in given:
        missing.append("CAPABILITY_AUTO_EXPAND")
    if missing:
        raise errors.insufficient_capabilities(missing)


def check_rules(template: Template, scope: intrinsics.Scope) -> None:
    """Evaluates the Rules section: every assertion of a rule that applies must hold."""

    def named_condition(name: str) -> bool:
        raise errors.template_error(f"Rules cannot refer to condition {name}")

    for name, rule in template.rules.items():
        if not isinstance(rule, dict) or not isinstance(rule.get("Assertions"), list):
            raise errors.template_format(f"Rule {name} must have a list of Assertions.")
        if "RuleCondition" in rule and not intrinsics.condition_holds(rule["RuleCondition"], scope, named_condition):
            continue
        for assertion in rule["Assertions"]:
            if not isinstance(assertion, dict) or "Assert" not in assertion:
                raise errors.template_format(f"Every assertion of rule {name} must have an Assert member.")
            if not intrinsics.condition_holds(assertion["Assert"], scope, named_condition):
                raise errors.validation(f"Template validation error: {assertion.get('AssertDescription', f'Rule {name} does not hold')}")


def _check(
    template: Template,
    value: Any,
    named: set[str],
    resources: Mapping[str, Any],
    conditions: Mapping[str, bool] | None,
    block: str,
) -> None:
    missing: list[str] = []
    for kind, name, _ in intrinsics.references(value, conditions):
        if kind == "Fn::If":
            if name not in template.conditions:
                raise errors.template_error(f"unresolved condition dependency {name} in Fn::If")
        elif kind == "Fn::FindInMap":
            if name not in template.mappings and EXTENSIONS not in template.transforms:
                raise errors.template_error(f"Mapping named '{name}' is not present in the 'Mappings' section of template.")
        elif kind == "Fn::GetAtt":
            if name not in resources:
                raise errors.template_error(f"instance of Fn::GetAtt references undefined resource {name}")
        elif name not in named and name not in resources and name not in missing:
            missing.append(name)
    if missing:
        raise _unresolved(missing, block)


def _unresolved(names: list[str], block: str) -> Exception:
    return errors.template_format(f"Unresolved resource dependencies [{', '.join(names)}] in the {block} block of the template")
