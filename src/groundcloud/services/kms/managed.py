"""AWS managed keys: `alias/aws/s3` and the like, made when they are first named. Their policy lets everyone in the account use them through their service."""

from __future__ import annotations

import json

from groundcloud.kernel.call import Call
from groundcloud.services.kms import materials
from groundcloud.services.kms.limits import DAY_MS, ROTATION_DAYS_DEFAULT
from groundcloud.services.kms.state import MATERIALS, Alias, Key, Material, put_alias, put_new_key

PREFIX = "alias/aws/"

SERVICES = {
    "acm": "ACM private keys",
    "backup": "Backup vaults",
    "cloudtrail": "CloudTrail logs",
    "codecommit": "CodeCommit repositories",
    "dynamodb": "DynamoDB tables",
    "ebs": "EBS volumes",
    "elasticfilesystem": "EFS file systems",
    "es": "OpenSearch domains",
    "events": "EventBridge rules",
    "fsx": "FSx file systems",
    "glue": "Glue data",
    "kafka": "MSK clusters",
    "kinesis": "Kinesis streams",
    "kinesisvideo": "Kinesis Video streams",
    "lambda": "Lambda environment variables",
    "lightsail": "Lightsail resources",
    "logs": "CloudWatch Logs groups",
    "mq": "MQ brokers",
    "rds": "RDS databases",
    "redshift": "Redshift clusters",
    "s3": "S3 objects",
    "secretsmanager": "Secrets Manager secrets",
    "ses": "SES messages",
    "sns": "SNS topics",
    "sqs": "SQS messages",
    "ssm": "Systems Manager parameters",
    "workspaces": "WorkSpaces volumes",
    "xray": "X-Ray traces",
}
"""What the keys protect, for their description. Source: the aliases that AWS services document."""


def service_of(alias_name: str) -> str | None:
    """The service whose AWS managed key has this alias."""
    service = alias_name.removeprefix(PREFIX)
    return service if service is not alias_name and service in SERVICES else None


def policy(service: str, account: str, region: str) -> str:
    """As AWS writes them; the second statement lets the account look but not change."""
    through = "Allow access through {} for all principals in the account that are authorized to use {}"
    statements = [
        {
            "Sid": through.format(service, service),
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:CallerAccount": account, "kms:ViaService": f"{service}.{region}.amazonaws.com"}},
        },
        {
            "Sid": "Allow direct access to key metadata to the account",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
            "Resource": "*",
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Id": f"auto-{service}-1", "Statement": statements})


def make(call: Call, service: str) -> Key:
    """The account's key for the service, in a transaction of its own unless there is one; rotated every year, as AWS does."""
    key_id = call.new_id()
    material = materials.generate("SYMMETRIC_DEFAULT")
    key = Key(
        key_id=key_id,
        created_ms=call.now_ms,
        policy=policy(service, call.account, call.region),
        material_id=materials.material_id(key_id, material),
        sealed=materials.seal(call, key_id, material),
        description=f"Default key that protects my {SERVICES[service]} when no other key is defined",
        service=service,
        rotation_days=ROTATION_DAYS_DEFAULT,
        next_rotation_ms=call.now_ms + ROTATION_DAYS_DEFAULT * DAY_MS,
    )
    with call.transaction() as tx:
        put_new_key(tx, key)
        MATERIALS.put(tx, Material(key_id=key_id, material_id=key.material_id, number=1, sealed=key.sealed))
        put_alias(tx, Alias(alias_name=PREFIX + service, key_id=key_id, created_ms=call.now_ms, updated_ms=call.now_ms))
        call.schedule(key.next_rotation_ms, "kms.rotate", key_id, key=key_id, tx=tx)
    return key
