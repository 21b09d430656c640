"""What is allowed on IAM's own resources beside the caller's policies."""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.services.iam import managed

_READERS_OF_MANAGED = """{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Resource": "*",
"Action": ["iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions", "iam:ListEntitiesForPolicy", "iam:ListPolicyTags"]}}"""
"""The managed policies of AWS are another account's: everyone's policies may let them read, nobody's may let them write."""

_STS_READS = """{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "sts.amazonaws.com"},
"Action": ["iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetOpenIDConnectProvider", "iam:GetRole"], "Resource": "*"}}"""


def resource_policy(call: Call, resource_arn: str) -> str | None:
    """STS reads session policies and identity providers; IAM's resources have no policies of their own otherwise."""
    if call.principal.kind == "service":
        return _STS_READS
    return _READERS_OF_MANAGED if resource_arn.startswith(managed.PREFIX) else None
