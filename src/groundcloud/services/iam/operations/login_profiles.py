"""Login profiles: the passwords of users. They are stored and checked; there is no console to sign in to."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import errors, names, passwords
from groundcloud.services.iam.operations.users import load_or_caller
from groundcloud.services.iam.state import LOGIN_PROFILES, PASSWORD_POLICIES, LoginProfile


@operation(resource=names.user_or_caller)
async def create_login_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if "Password" not in request:
        raise errors.invalid_input("A password is required to create a login profile.")
    password_hash = await _hashed(call, request["Password"])
    with call.transaction() as tx:
        user = load_or_caller(call, request)
        if LOGIN_PROFILES.has(tx, user.key):
            raise errors.already_exists(f"Login Profile for user {user.name} already exists.")
        profile = LoginProfile(
            user_key=user.key,
            user_name=user.name,
            created_s=call.now_s,
            password_hash=password_hash,
            reset_required=bool(request.get("PasswordResetRequired")),
        )
        LOGIN_PROFILES.put(tx, profile)
    return {"LoginProfile": _shown(profile)}


@operation(resource=names.user_or_caller)
def get_login_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"LoginProfile": _shown(_load(call, request))}


@operation(resource=names.USER)
async def update_login_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    password_hash = await _hashed(call, request["Password"]) if "Password" in request else None
    with call.transaction() as tx:
        profile = _load(call, request)
        if password_hash is not None:
            profile = profile.replace(password_hash=password_hash)
        if "PasswordResetRequired" in request:
            profile = profile.replace(reset_required=request["PasswordResetRequired"])
        LOGIN_PROFILES.put(tx, profile)
    return {}


@operation(resource=names.user_or_caller)
def delete_login_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    LOGIN_PROFILES.delete(call.tx, _load(call, request).user_key)
    return {}


@operation(resource=names.user_or_caller)
async def change_password(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if call.principal.kind != "user":
        raise AwsError("InvalidUserTypeException", "Only IAM Users can change their own password.")
    with call.transaction():
        profile = _load(call, request)
    if not await call.in_thread(passwords.matches, request["OldPassword"], profile.password_hash):
        raise AwsError("AccessDenied", "The old password was incorrect.", status=403)
    password_hash = await _hashed(call, request["NewPassword"])
    with call.transaction() as tx:
        LOGIN_PROFILES.put(tx, _load(call, request).replace(password_hash=password_hash, reset_required=False))
    return {}


async def _hashed(call: Call, password: str) -> bytes:
    """Raises PasswordPolicyViolation."""
    passwords.check(password, PASSWORD_POLICIES.get(call.reading(), call.account))
    return await call.in_thread(passwords.hashed, password)


def _load(call: Call, request: dict[str, Any]) -> LoginProfile:
    """Raises NoSuchEntity."""
    user = load_or_caller(call, request)
    profile = LOGIN_PROFILES.get(call.tx, user.key)
    if profile is None:
        raise errors.login_profile_not_found(user.name)
    return profile


def _shown(profile: LoginProfile) -> dict[str, Any]:
    return {"UserName": profile.user_name, "CreateDate": profile.created_s, "PasswordResetRequired": profile.reset_required}
