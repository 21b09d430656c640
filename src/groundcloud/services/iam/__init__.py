"""AWS IAM: users, groups, roles, their policies, and the directory by which the kernel knows them.

A change counts at once: AWS's is eventual, and tests written against that pass here too.
Missing: MFA devices, server and signing certificates, SSH keys, service-specific credentials, credential reports, access advisor, delegation
requests, organizations' features (each refused by name; their lists are empty). GetAccessKeyLastUsed and RoleLastUsed know of no use.
A role's ARN in a trust policy stays an ARN: AWS keeps the unique id, so that a role made anew under the old name is not trusted.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.iam.access import resource_policy
from groundcloud.services.iam.violations import explain

SERVICE = Service("iam", package=__name__, resource_policy=resource_policy, explain=explain, access_denied="AccessDenied")
