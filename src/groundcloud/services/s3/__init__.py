"""Amazon S3: general-purpose buckets with objects, versions, multipart uploads, listings, policies, notifications, website hosting and lifecycle.

Differs: content rests as the disk keeps it; a bucket's default encryption with the AWS managed key (aws:kms without a key) is kept and answered, not applied.
Missing: SSE-C and customer KMS keys, replication, SelectObjectContent, access points, Object Lambda, directory buckets, annotations, metadata tables,
restoring from archive classes, notifications to SNS and EventBridge; each is refused by name.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.s3 import errors
from groundcloud.services.s3.permissions import policy_of_arn

SERVICE = Service("s3", package=__name__, resource_policy=policy_of_arn, explain=errors.explain, access_denied="AccessDenied")
