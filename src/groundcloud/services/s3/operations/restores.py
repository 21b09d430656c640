"""RestoreObject."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors, restores
from groundcloud.services.s3.operations.objects import open_version
from groundcloud.services.s3.operations.policies import check_body


@operation(public=True)
def restore_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:RestoreObject", "s3:RestoreObject")
    check_body(call)
    wanted = request.get("RestoreRequest")
    if wanted is None:
        raise errors.missing_request_body()
    for member in ("SelectParameters", "OutputLocation"):
        if member in wanted:
            raise errors.refused("selecting from archived objects (RestoreRequest of the type SELECT)")
    already = restores.restore(call, call.tx, bucket, request["Key"], version, wanted)
    return {"StatusCode": 200 if already else 202}
