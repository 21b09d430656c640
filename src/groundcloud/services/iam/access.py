"""What is allowed on IAM's own resources beside the caller's policies."""

from __future__ import annotations

from groundcloud.kernel.call import Call

_STS_READS = """{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "sts.amazonaws.com"},
"Action": ["iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetOpenIDConnectProvider", "iam:GetRole"], "Resource": "*"}}"""


def resource_policy(call: Call, resource_arn: str) -> str | None:
    """STS reads session policies and identity providers; IAM's resources have no policies of their own otherwise."""
    return _STS_READS if call.principal.kind == "service" else None
