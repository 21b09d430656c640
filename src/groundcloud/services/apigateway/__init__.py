"""Amazon API Gateway: REST APIs (`apigateway`) and HTTP APIs (`apigatewayv2`), and the data plane that answers for both.

`rest_operations` and `http_operations` are the two control planes, `gateway` is the data plane, `openapi` reads definitions.

REST APIs' patterns (models, token expressions) run on Python's engine, which takes long over some of them. Detailed metrics by method are not told apart.

Missing: mapping templates beyond fixed ones (so the AWS and HTTP non-proxy integrations are refused by name), WebSocket APIs, custom domain names, VPC links,
canary releases, caching, client certificates, documentation parts, SDKs, usage plan keys imported from a file.
"""

from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import Service
from groundcloud.wire import validate
from groundcloud.wire.model import Model, Operation


def explain(model: Model, operation: Operation, found: list[validate.Violation]) -> AwsError:
    """Both services name a broken constraint in a BadRequestException."""
    return AwsError("BadRequestException", validate.message(found))


SERVICE = Service("apigateway", package=__name__, operations="rest_operations", workers="workers", explain=explain)
HTTP_APIS = Service("apigatewayv2", package=__name__, operations="http_operations", workers="workers", explain=explain)
