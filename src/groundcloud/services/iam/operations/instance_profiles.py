"""Instance profiles: a role's wrapping for EC2, each with at most one."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.iam import errors, identities, limits, names, pages, tags
from groundcloud.services.iam.conditions import boundary_and_tags
from groundcloud.services.iam.operations import roles
from groundcloud.services.iam.state import PROFILES, PROFILES_OF_ROLE, ROLES, InstanceProfile
from groundcloud.store import Transaction


@operation(resource=names.new("instance-profile"), context=boundary_and_tags)
def create_instance_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx, name, path = call.tx, request["InstanceProfileName"], request.get("Path") or "/"
    if PROFILES.has(tx, name.lower()):
        raise errors.already_exists(f"Instance Profile {name} already exists.")
    if sum(1 for _ in PROFILES.keys(tx)) >= limits.INSTANCE_PROFILES_PER_ACCOUNT:
        raise errors.quota_exceeded("InstanceProfilesPerAccount", limits.INSTANCE_PROFILES_PER_ACCOUNT)
    profile = InstanceProfile(
        key=name.lower(),
        name=name,
        path=path,
        unique_id=names.unique_id(call, "instance-profile"),
        arn=names.arn(call.account, "instance-profile", path, name),
        created_s=call.now_s,
        tags=tags.of_request(request),
    )
    PROFILES.put(tx, profile)
    return {"InstanceProfile": shown(tx, profile)}


@operation(resource=names.INSTANCE_PROFILE)
def get_instance_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"InstanceProfile": shown(call.tx, _load(call, request))}


@operation(resource=names.listed("instance-profile"))
def list_instance_profiles(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    prefix = request.get("PathPrefix", "/")
    profiles = (profile for profile in PROFILES.scan(call.tx, after=pages.after(request)) if profile.path.startswith(prefix))
    return pages.page(request, "InstanceProfiles", profiles, lambda profile: profile.key, lambda profile: listed(call.tx, profile))


@operation(resource=names.ROLE)
def list_instance_profiles_for_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = identities.load(call.tx, "role", request["RoleName"])
    found = (PROFILES.get(call.tx, key) for _, key in PROFILES_OF_ROLE.keys(call.tx, role.key, after=pages.after(request)))
    profiles = (profile for profile in found if profile is not None)
    return pages.page(request, "InstanceProfiles", profiles, lambda profile: profile.key, lambda profile: listed(call.tx, profile))


def _access_to_add(call: Call, request: dict[str, Any]) -> list[Access]:
    return [
        Access("iam:AddRoleToInstanceProfile", names.INSTANCE_PROFILE(call, request)),
        Access("iam:PassRole", names.ROLE(call, request), {"iam:PassedToService": "ec2.amazonaws.com"}),
    ]


@operation(access=_access_to_add)
def add_role_to_instance_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    profile = _load(call, request)
    role = roles.modifiable(call, request["RoleName"])
    if profile.role_key:
        raise errors.quota_exceeded("InstanceSessionsPerInstanceProfile", limits.ROLES_PER_INSTANCE_PROFILE)
    PROFILES.put(tx, profile.replace(role_key=role.key))
    PROFILES_OF_ROLE.put(tx, role.key, profile.key)
    return {}


@operation(resource=names.INSTANCE_PROFILE)
def remove_role_from_instance_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    profile = _load(call, request)
    role = identities.load(tx, "role", request["RoleName"])
    if profile.role_key != role.key:
        raise errors.identity_not_found("role", role.name)
    PROFILES.put(tx, profile.replace(role_key=""))
    PROFILES_OF_ROLE.delete(tx, role.key, profile.key)
    return {}


@operation(resource=names.INSTANCE_PROFILE)
def delete_instance_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    profile = _load(call, request)
    if profile.role_key:
        raise errors.delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    PROFILES.delete(call.tx, profile.key)
    return {}


@operation(resource=names.INSTANCE_PROFILE, context=boundary_and_tags)
def tag_instance_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    profile = _load(call, request)
    PROFILES.put(call.tx, profile.replace(tags=tags.merged(profile.tags, request["Tags"])))
    return {}


@operation(resource=names.INSTANCE_PROFILE, context=boundary_and_tags)
def untag_instance_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    profile = _load(call, request)
    PROFILES.put(call.tx, profile.replace(tags=tags.without(profile.tags, request["TagKeys"])))
    return {}


@operation(resource=names.INSTANCE_PROFILE)
def list_instance_profile_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return tags.listed(request, _load(call, request).tags)


def _load(call: Call, request: dict[str, Any]) -> InstanceProfile:
    """Raises NoSuchEntity."""
    profile = PROFILES.get(call.tx, request["InstanceProfileName"].lower())
    if profile is None:
        raise errors.instance_profile_not_found(request["InstanceProfileName"])
    return profile


def listed(tx: Transaction, profile: InstanceProfile) -> dict[str, Any]:
    role = ROLES.get(tx, profile.role_key) if profile.role_key else None
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.unique_id,
        "Arn": profile.arn,
        "CreateDate": profile.created_s,
        "Roles": [roles.listed(role)] if role is not None else [],
    }


def shown(tx: Transaction, profile: InstanceProfile) -> dict[str, Any]:
    return {**listed(tx, profile), "Tags": tags.shown(profile.tags)}
