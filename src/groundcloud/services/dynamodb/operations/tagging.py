"""Tags and resource policies of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, errors, policies, shapes, state, tags, throttling

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

TAGS_PAGE_MAX = 10


@operation(raw=True, resource=access.arn_of_request)
def tag_resource(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("TagResource", request)
    tx, arn = _tagged(call, request["ResourceArn"], "" if request["Tags"] else "Tag")
    tags.add(tx, arn, request["Tags"])
    _switch_throttling(tx, arn)
    return {}


@operation(raw=True, resource=access.arn_of_request)
def untag_resource(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("UntagResource", request)
    tx, arn = _tagged(call, request["ResourceArn"], "" if request["TagKeys"] else "Tag Key")
    tags.remove(tx, arn, request["TagKeys"])
    _switch_throttling(tx, arn)
    return {}


@operation(raw=True, resource=access.arn_of_request)
def list_tags_of_resource(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("ListTagsOfResource", request)
    tx, arn = _tagged(call, request["ResourceArn"])
    found = [{"Key": key, "Value": value} for key, value in sorted(tags.of(tx, arn).items())]
    token = request.get("NextToken")
    if token is not None and not token.isdecimal():
        raise errors.validation("Invalid NextToken")
    start = int(token or 0)
    answer: dict[str, Any] = {"Tags": found[start : start + TAGS_PAGE_MAX]}
    if len(found) > start + TAGS_PAGE_MAX:
        answer["NextToken"] = str(start + TAGS_PAGE_MAX)
    return answer


@operation(raw=True, resource=access.arn_of_request)
def put_resource_policy(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("PutResourcePolicy", request)
    tx, arn = _resource(call, request["ResourceArn"])
    return {"RevisionId": policies.put(call, tx, arn, request["Policy"], request.get("ExpectedRevisionId"))}


@operation(raw=True, resource=access.arn_of_request)
def get_resource_policy(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("GetResourcePolicy", request)
    tx, arn = _resource(call, request["ResourceArn"])
    found = policies.POLICIES.get(tx, arn)
    if found is None:
        raise errors.policy_not_found(arn)
    return {"Policy": found.document, "RevisionId": found.revision_id}


@operation(raw=True, resource=access.arn_of_request)
def delete_resource_policy(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DeleteResourcePolicy", request)
    tx, arn = _resource(call, request["ResourceArn"])
    found = policies.POLICIES.get(tx, arn)
    expected = request.get("ExpectedRevisionId")
    if expected is not None and (found is None or found.revision_id != expected):
        raise errors.policy_not_found(arn)
    if found is None:
        return {}
    policies.forget(tx, arn)
    return {"RevisionId": found.revision_id}


def _tagged(call: Call, arn: str, lacking: str = "") -> tuple[Any, str]:
    """The place of a table named by ARN, and the ARN. Raises AccessDenied-like ValidationException for what is no ARN of a table.

    `lacking` is what the request has none of, where it has none; AWS looks at that before the table.
    """
    if not arn.startswith("arn:"):
        raise errors.validation(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    tx, table_name = access.place(call, arn)
    if lacking:
        raise errors.validation(f"Atleast one {lacking} needs to be provided as Input.")
    if state.find_table(tx, table_name) is None:
        raise errors.no_resource_for_arn(arn)
    return tx, arn


def _switch_throttling(tx: Any, arn: str) -> None:
    table = state.find_table(tx, arn.rpartition("/")[2])
    wanted = throttling.is_on(tags.of(tx, arn))
    if table is not None and table.throttled is not wanted:
        state.put_table(tx, table.replace(throttled=wanted))


def _resource(call: Call, arn: str) -> tuple[Any, str]:
    """The same for policies, which streams have too."""
    if not arn.startswith("arn:"):
        raise errors.validation(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    account, region, table_name = access.parse_table_arn(arn)
    tx = call.tx.at(account, region)
    if state.find_table(tx, table_name) is None:
        raise errors.table_not_found(table_name)
    return tx, arn
