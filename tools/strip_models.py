"""Writes `src/groundcloud/wire/models/`: botocore's service models without their documentation, and an index of how to tell the services apart.

    python tools/strip_models.py            # after botocore was updated; commit what it writes

What a member means on the wire stays; descriptions, examples, endpoints, paginators and waiters go. Corrections are not made here but in
`wire/corrections.py`, so that a new botocore can be taken as it is.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import botocore

SERVICES = [
    "acm",
    "amp",
    "apigateway",
    "apigatewaymanagementapi",
    "apigatewayv2",
    "application-autoscaling",
    "appsync",
    "athena",
    "batch",
    "budgets",
    "ce",
    "cloudformation",
    "cloudfront",
    "cloudtrail",
    "cloudwatch",
    "codedeploy",
    "codepipeline",
    "codebuild",
    "cognito-identity",
    "cognito-idp",
    "comprehend",
    "config",
    "dynamodb",
    "dynamodbstreams",
    "ec2",
    "ecr",
    "ecs",
    "elbv2",
    "events",
    "firehose",
    "glue",
    "health",
    "iam",
    "iot",
    "iot-data",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "pipes",
    "rds",
    "rds-data",
    "resource-groups",
    "resourcegroupstaggingapi",
    "route53",
    "s3",
    "s3control",
    "scheduler",
    "schemas",
    "secretsmanager",
    "serverlessrepo",
    "servicediscovery",
    "ses",
    "sesv2",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
    "translate",
    "wafv2",
    "xray",
]

KEPT_OPERATION = {
    "name",
    "http",
    "input",
    "output",
    "errors",
    "authtype",
    "auth",
    "endpoint",
    "idempotent",
    "httpChecksum",
    "httpChecksumRequired",
    "unsignedPayload",
}
KEPT_METADATA = {
    "apiVersion", "awsQueryCompatible", "endpointPrefix", "globalEndpoint", "jsonVersion", "protocol", "protocols", "serviceId", "signatureVersion",
    "signingName", "targetPrefix", "xmlNamespace",
}  # fmt: skip
DROPPED = {
    "documentation",
    "deprecated",
    "deprecatedMessage",
    "deprecatedSince",
    "deprecatedDate",
    "sensitive",
    "synthetic",
    "contextParam",
    "staticContextParams",
}
LEFT_OUT = {"ec2", "amp"}


def strip(node: object) -> object:
    if isinstance(node, dict):
        return {key: strip(value) for key, value in node.items() if not (key in DROPPED and not isinstance(value, dict))}
    if isinstance(node, list):
        return [strip(item) for item in node]
    return node


def main() -> None:
    source = Path(botocore.__file__).parent / "data"
    target = Path(__file__).parent.parent / "src" / "groundcloud" / "wire" / "models"
    target.mkdir(parents=True, exist_ok=True)
    index = {}
    for service in SERVICES:
        if service in LEFT_OUT or not (source / service).is_dir():
            continue
        version = max(path.name for path in (source / service).iterdir() if path.is_dir())
        with gzip.open(source / service / version / "service-2.json.gz") as file:
            model = json.load(file)
        operations = {
            name: {key: strip(value) for key, value in operation.items() if key in KEPT_OPERATION}
            for name, operation in model["operations"].items()
        }
        metadata = {key: value for key, value in model["metadata"].items() if key in KEPT_METADATA}
        stripped = {"metadata": metadata, "operations": operations, "shapes": strip(model["shapes"])}
        packed = gzip.compress(json.dumps(stripped, separators=(",", ":")).encode(), mtime=0)
        (target / f"{service}.json.gz").write_bytes(packed)
        index[service] = metadata
    (target / "index.json").write_text(json.dumps(index, indent=0, sort_keys=True) + "\n")
    print(f"{len(index)} services from botocore {botocore.__version__}")


if __name__ == "__main__":
    main()
