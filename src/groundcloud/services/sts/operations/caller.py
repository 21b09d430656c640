"""Who is calling, and whose is an access key."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.identity import well_known
from groundcloud.kernel.service import operation
from groundcloud.services.sts import errors


@operation(access=lambda call, request: [])
def get_caller_identity(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """No policy is asked, not even one that denies: as on AWS."""
    principal = call.principal
    return {"UserId": principal.unique_id, "Account": principal.account, "Arn": principal.arn}


@operation()
def get_access_key_info(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The account of a long-term key, or of the caller's own temporary one: others are not stored anywhere."""
    access_key_id = request["AccessKeyId"]
    if call.session is not None and call.session.access_key_id == access_key_id:
        return {"Account": call.session.account}
    if access_key_id.startswith("ASIA"):
        raise not_implemented("GetAccessKeyInfo for temporary credentials other than the caller's")
    if call.settings.loopback and (root := well_known(access_key_id)) is not None:
        return {"Account": root.principal.account}
    owner = call.ground.directory.access_key(call.tx, access_key_id)
    if owner is None:
        raise errors.validation(f"Access key {access_key_id} is not valid.")
    return {"Account": owner.principal.account}
