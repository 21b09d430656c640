"""The call that a resource type works with: the deployer's identity, values made to fit, and no request made twice.

A template's values are text as often as not (`Timeout: !Ref Seconds`); AWS makes them what the property's type says, and so
does `Actor.request`, by the shapes of the operation that is called. And it keeps a journal: each answer to a request that changes
something is written down, so that a step which a kill cut short can be run again from its beginning without creating anything a
second time; the requests that were answered give the same answers, the first that was not is made.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import coerced
from groundcloud.services.cloudformation import state
from groundcloud.wire import model

_READING = ("BatchGet", "Describe", "Get", "Head", "List", "Query", "Scan", "Select")


class Actor(Call):
    """`token` names the step: the same when it is run again."""

    __slots__ = ("_number", "_stack_id", "_token")

    def __init__(self, deployer: Call, stack_id: str, token: str) -> None:
        super().__init__(
            deployer.ground,
            deployer.room,
            deployer.operation,
            deployer.account,
            deployer.region,
            deployer.principal,
            session=deployer.session,
            parent=deployer,
        )
        self._stack_id = stack_id
        self._token = token
        self._number = 0

    async def request(
        self,
        service: str,
        operation: str,
        params: dict[str, Any],
        *,
        as_: str | None = None,
        source_arn: str = "",
        account: str | None = None,
        region: str | None = None,
    ) -> dict[str, Any]:
        params = _fitting(service, operation, params)
        if operation.startswith(_READING):
            return await super().request(service, operation, params, as_=as_, source_arn=source_arn, account=account, region=region)
        self._number += 1
        number = self._number
        request = f"{service}.{operation}:{_digest(params)}"
        with self.transaction() as tx:
            known = state.JOURNAL.get(tx, self._stack_id, self._token, number)
        if known is not None and known.request == request:
            return known.answer  # type: ignore[no-any-return]
        answer = await super().request(service, operation, params, as_=as_, source_arn=source_arn, account=account, region=region)
        try:
            msgspec.msgpack.encode(answer)
        except (TypeError, ValueError, OverflowError):  # a stream: nothing to keep
            return answer
        with self.transaction() as tx:
            state.JOURNAL.put(tx, state.Answered(stack_id=self._stack_id, token=self._token, number=number, request=request, answer=answer))
        return answer


def _fitting(service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    try:
        shapes = model.load(service)
        shape = shapes.operation(operation).input_shape
    except KeyError:
        return params
    return coerced(shapes.shapes, shape, params) if shape else params


def _digest(params: dict[str, Any]) -> str:
    try:
        packed = msgspec.msgpack.encode(params, order="deterministic")
    except (TypeError, ValueError, OverflowError):
        packed = b""
    return hashlib.blake2b(packed, digest_size=12).hexdigest()
