"""AWS KMS: keys that never leave the server. Material rests sealed under the server's own key; ciphertexts name their key.

A grant counts from the moment it is made, so grant tokens are checked and add nothing. AWS managed keys (`alias/aws/s3`) are made when first named.
Differs: a replica, a change of the primary and a rotation are there at once, where AWS takes minutes; GetKeyLastUsage tells no CloudTrail event,
and after a kill may be a minute old; ED25519_PH_SHA_512 is computed in Python, milliseconds a signature and not in constant time.
Missing, each refused by name: custom key stores (CloudHSM, external), attested recipients (Nitro Enclaves), SM2 and ML_KEM_512
keys. Request quotas are not enforced.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.kms import access

SERVICE = Service("kms", package=__name__, resource_policy=access.policy_of, resource_policy_required=True)
