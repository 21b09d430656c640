"""AWS Lambda: functions that run for real in the sandboxes of `groundcloud.runtime`.

How a version is run is in `execution`, of container images in `images`; what happens to an asynchronous event in `events`; event source mappings in `pollers`.
Missing: file systems (EFS), event sources other than SQS, Kinesis and DynamoDB streams: each is refused by name. Images are those
of the local Docker or Podman, and extensions in them are not started. Nothing here knows a signature: enforced code signing lets no package through.
VpcConfig and TracingConfig are kept and shown; a function's network is what `ground up --function-network` says. Under KMSKeyArn
rest a function's variables; its packages do not. A package that S3ObjectStorageMode REFERENCE names is copied all the same. SnapStart needs
namespaces and no extensions: without, a version becomes Active as on AWS, and its sandboxes are initialised one by one. Versions with SnapStart, a VpcConfig or an image become
Inactive when they are not invoked for 14 days; others hold nothing that AWS would reclaim and stay Active.
Functions on a capacity provider run in this server's sandboxes, one invocation at a time each; the provider's instances, networks and scaling are kept and shown.
A version of theirs has warm environments where MinExecutionEnvironments asks for them, and none by default.
UpdateRuntimeOn Manual is kept and shown: what runs is the machine's runtime, whichever version of AWS's is named.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.lambda_ import policies

SERVICE = Service("lambda", package=__name__, resource_policy=policies.of_function)
