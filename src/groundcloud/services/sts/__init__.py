"""AWS STS: temporary credentials and who one is. They are sealed tokens that hold their session: nothing is stored.

Differs from AWS: an account's root may assume a role that trusts the account ("Roles may not be assumed by root accounts." there), because the
well-known `test` key is a root, and every tutorial and test assumes roles with it.
Missing, each refused by name: AssumeRoleWithSAML, AssumeRoot, GetWebIdentityToken, GetDelegatedAccessToken, DecodeAuthorizationMessage.
"""

from groundcloud.kernel.service import Service

SERVICE = Service("sts", package=__name__, access_denied="AccessDenied")
