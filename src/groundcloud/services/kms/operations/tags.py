"""Tags of keys."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.kms import access, keys, names, pages, tags

Request = dict[str, Any]


@operation(access=access.to_administer)
def tag_resource(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    keys.require_kept(found)
    found.put(found.key.replace(tags=tags.merged(found.key.tags, tags.of_list(request["Tags"]))))
    return {}


@operation(access=access.to_administer)
def untag_resource(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    keys.require_kept(found)
    gone = set(request["TagKeys"])
    found.put(found.key.replace(tags={name: value for name, value in found.key.tags.items() if name not in gone}))
    return {}


@operation(access=access.to_administer)
def list_resource_tags(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    after = pages.after(request)
    listed = [tag for tag in tags.to_list(dict(sorted(found.key.tags.items()))) if after is None or tag["TagKey"] > after]
    return pages.page("Tags", listed, pages.limit_of(request, 50, 50), lambda tag: tag["TagKey"], lambda tag: tag)
