"""Key policies: the default one, and what AWS checks before it takes another. AWS: "Key policies in AWS KMS"."""

from __future__ import annotations

from groundcloud.auth import documents
from groundcloud.auth.documents import MalformedPolicy, Policy
from groundcloud.kernel import authorization
from groundcloud.kernel.call import Call
from groundcloud.services.kms import access, errors
from groundcloud.services.kms.limits import POLICY_BYTES_MAX

NAME = "default"
"""The only policy that a key has."""

_DEFAULT = """{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::%s:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}"""


def default(account: str) -> str:
    """The account decides by IAM. As the API gives it, white space and all."""
    return _DEFAULT % account


def check(call: Call, key_arn: str, document: str, *, bypass: bool) -> None:
    """Raises MalformedPolicyDocumentException, LimitExceededException.

    Unless `bypass`, whoever sets the policy must be able to set the next one: AWS's lockout safety check.
    """
    if len(document.encode()) > POLICY_BYTES_MAX:
        raise errors.limit_exceeded("The policy size exceeds the limit.")
    try:
        policy = documents.parse(document, "resource", key_arn, resource_required=True)
    except MalformedPolicy as fault:
        raise errors.malformed_policy(_sentence(fault)) from None
    _check_principals(call, policy)
    if not bypass:
        decision = authorization.decide(call, "kms:PutKeyPolicy", key_arn, access.of_caller(call), lambda _call, _arn: document)
        if decision is not None and not decision.allowed:
            raise errors.malformed_policy("The new key policy will not allow you to update the key policy in the future.")


def _check_principals(call: Call, policy: Policy) -> None:
    """Roles of this account must be there. Others, and users, are taken at their word."""
    own = f"arn:aws:iam::{call.account}:role/"
    for statement in policy.statements:
        for arn in statement.principals.arns if statement.principals is not None else ():
            if arn.startswith(own) and call.ground.directory.role(call.reading(), arn) is None:
                raise errors.malformed_policy("Policy contains a statement with one or more invalid principals.")


def _sentence(fault: MalformedPolicy) -> str:
    if fault.reason == "principal":
        return "Policy contains a statement with one or more invalid principals."
    if fault.reason == "resource":
        return "Policy contains a statement with no resource."
    if fault.reason == "action":
        return "Policy contains a statement with no action."
    if fault.reason == "json":
        return "This policy contains invalid Json"
    return fault.message
