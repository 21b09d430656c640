"""Service-linked roles: made and deleted for a service, and changed by nobody else.

They carry no policies here: services of this server act as service principals.
"""

from __future__ import annotations

import json
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import errors, identities, names
from groundcloud.services.iam.operations import roles
from groundcloud.services.iam.state import LINKED_ROLE_DELETIONS, ROLES, LinkedRoleDeletion, Role

_ROLE_NAMES = {
    "access-analyzer": "AccessAnalyzer",
    "apidestinations.events": "AmazonEventBridgeApiDestinations",
    "appsync": "AppSync",
    "autoscaling": "AutoScaling",
    "batch": "Batch",
    "cloudtrail": "CloudTrail",
    "cloudwatch-crossaccount": "CloudWatchCrossAccount",
    "cognito-idp": "AmazonCognitoIdp",
    "config": "Config",
    "contributorinsights.dynamodb": "DynamoDBCloudWatchContributorInsights",
    "custom-resource.application-autoscaling": "ApplicationAutoScaling_CustomResource",
    "delivery.logs": "LogDelivery",
    "dynamodb.application-autoscaling": "ApplicationAutoScaling_DynamoDBTable",
    "ecs": "ECS",
    "ecs.application-autoscaling": "ApplicationAutoScaling_ECSService",
    "eks": "AmazonEKS",
    "elasticache": "ElastiCache",
    "elasticloadbalancing": "ElasticLoadBalancing",
    "email.cognito-idp": "AmazonCognitoIdpEmailService",
    "es": "AmazonElasticsearchService",
    "events": "CloudWatchEvents",
    "kafka": "Kafka",
    "kinesisreplication.dynamodb": "DynamoDBKinesisDataStreamsReplication",
    "lambda.application-autoscaling": "ApplicationAutoScaling_LambdaConcurrency",
    "opensearchservice": "AmazonOpenSearchService",
    "ops.apigateway": "APIGateway",
    "organizations": "Organizations",
    "rds": "RDS",
    "rds.application-autoscaling": "ApplicationAutoScaling_RDSCluster",
    "replication.dynamodb": "DynamoDBReplication",
    "replicator.lambda": "LambdaReplicator",
    "schemas": "Schemas",
    "sso": "SSO",
    "ssm": "AmazonSSM",
    "support": "Support",
    "trustedadvisor": "TrustedAdvisor",
    "wafv2": "WAFV2Logging",
    "xray": "XRay",
}
"""Service principal without its domain -> what follows AWSServiceRoleFor. Source: the services' guides, "Using service-linked roles"."""

_TAKES_SUFFIX = {"autoscaling", "appsync", "cognito-idp"}
DOMAIN = ".amazonaws.com"


def _new(call: Call, request: dict[str, Any]) -> str:
    service = request["AWSServiceName"]
    return names.arn(call.account, "role", f"/aws-service-role/{service}/", _role_name(request))


@operation(resource=_new, context=lambda call, request: {"iam:AWSServiceName": request["AWSServiceName"]})
def create_service_linked_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    service, name = request["AWSServiceName"], _role_name(request)
    short = service.removesuffix(DOMAIN)
    if not service.endswith(DOMAIN) or short not in _ROLE_NAMES:
        raise errors.invalid_input(f"Service linked role is not supported for service principal {service}.")
    if "CustomSuffix" in request and short not in _TAKES_SUFFIX:
        raise errors.invalid_input(f"Custom suffix is not allowed for {service}")
    if ROLES.has(call.tx, name.lower()):
        raise errors.invalid_input(f"Service role name {name} has been taken in this account, please try a different suffix.")
    path = f"/aws-service-role/{service}/"
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    role = Role(
        key=name.lower(),
        name=name,
        path=path,
        unique_id=names.unique_id(call, "role"),
        arn=names.arn(call.account, "role", path, name),
        created_s=call.now_s,
        trust_policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        description=request.get("Description"),
        linked_service=service,
    )
    ROLES.put(call.tx, role)
    return {"Role": roles.shown(role)}


@operation(resource=names.ROLE)
def delete_service_linked_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = identities.load(call.tx, "role", request["RoleName"])
    if not role.linked_service:
        raise errors.invalid_input(f"Role {role.name} is not a service-linked role.")
    task_id = f"task{role.path}{role.name}/{call.new_id()}"
    LINKED_ROLE_DELETIONS.put(call.tx, LinkedRoleDeletion(task_id=task_id, role_key=role.key, deleted_s=call.now_s))
    ROLES.delete(call.tx, role.key)
    return {"DeletionTaskId": task_id}


def _role_of_task(call: Call, request: dict[str, Any]) -> str:
    path = request["DeletionTaskId"].removeprefix("task").rpartition("/")[0]
    return f"arn:aws:iam::{call.account}:role{path}"


@operation(resource=_role_of_task)
def get_service_linked_role_deletion_status(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if not LINKED_ROLE_DELETIONS.has(call.tx, request["DeletionTaskId"]):
        raise errors.no_such_entity(f"Deletion task {request['DeletionTaskId']} cannot be found.")
    return {"Status": "SUCCEEDED"}


def _role_name(request: dict[str, Any]) -> str:
    known = _ROLE_NAMES.get(request["AWSServiceName"].removesuffix(DOMAIN), "")
    suffix = f"_{request['CustomSuffix']}" if "CustomSuffix" in request else ""
    return f"AWSServiceRoleFor{known}{suffix}"
