"""Lists of credentials that cannot be made here, and so are empty: tools read them before they delete a user."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import identities, names


def _check_user(call: Call, request: dict[str, Any]) -> None:
    """Raises NoSuchEntity."""
    if "UserName" in request:
        identities.load(call.tx, "user", request["UserName"])


@operation(resource=names.user_or_caller)
def list_mfa_devices(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_user(call, request)
    return {"MFADevices": [], "IsTruncated": False}


@operation()
def list_virtual_mfa_devices(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"VirtualMFADevices": [], "IsTruncated": False}


@operation(resource=names.user_or_caller)
def list_ssh_public_keys(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_user(call, request)
    return {"SSHPublicKeys": [], "IsTruncated": False}


@operation(resource=names.user_or_caller)
def list_signing_certificates(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_user(call, request)
    return {"Certificates": [], "IsTruncated": False}


@operation(resource=names.user_or_caller)
def list_service_specific_credentials(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_user(call, request)
    return {"ServiceSpecificCredentials": []}


@operation()
def list_server_certificates(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"ServerCertificateMetadataList": [], "IsTruncated": False}
