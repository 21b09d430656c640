"""The call that a resource type works with: the deployer's identity, values made to fit, and no request made twice.

A template's values are text as often as not (`Timeout: !Ref Seconds`); AWS makes them what the property's type says, and so
does `Actor.request`, by the shapes of the operation that is called. And it keeps a journal: each answer, and each error, is
written down, so that a step which a kill cut short can be run again from its beginning without creating anything a second time:
requests that were answered give the same answers, the first that was not is made.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import coerced
from groundcloud.services.cloudformation import state
from groundcloud.wire import model


class Actor(Call):
    """`token` names the step: the same when it is run again."""

    __slots__ = ("_number", "_stack_id", "_token")

    def __init__(self, deployer: Call, stack_id: str, token: str) -> None:
        super().__init__(*_identity(deployer), session=deployer.session, parent=deployer)
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
        self._number += 1
        asked = _Asked(self, self._stack_id, self._token, self._number, f"{service}.{operation}:{_digest(params)}")
        with self.transaction() as tx:
            known = state.JOURNAL.get(tx, self._stack_id, self._token, self._number)
        if known is not None and known.request == asked.request_text:
            if known.error is not None:
                raise AwsError(known.error.code, known.error.message, status=known.error.status, fields=known.error.fields)
            return known.answer  # type: ignore[no-any-return]
        try:
            answer = await self.ground.chain.request(
                asked, service, operation, params, as_=as_, source_arn=source_arn, account=account, region=region
            )
        except AwsError as error:
            with self.transaction() as tx:
                asked.write(tx, {}, state.Failure(code=error.code, message=error.message, status=error.status, fields=error.fields))
            raise
        if not asked.written:  # an `async def` operation has no transaction of its own to write in
            with self.transaction() as tx:
                asked.write(tx, answer)
        return answer


class _Asked(Call):
    """One request: its answer is written down in the transaction that it is true by."""

    __slots__ = ("_number", "_stack_id", "_token", "request_text", "written")

    def __init__(self, actor: Actor, stack_id: str, token: str, number: int, request_text: str) -> None:
        super().__init__(*_identity(actor), session=actor.session, parent=actor)
        self._stack_id = stack_id
        self._token = token
        self._number = number
        self.request_text = request_text
        self.written = False

    def answered(self, child: Call, result: dict[str, Any] | None) -> None:
        self.write(child.tx.at(self.account, self.region), result or {})

    def write(self, tx: Any, answer: dict[str, Any], error: state.Failure | None = None) -> None:
        self.written = True
        row = state.Answered(
            stack_id=self._stack_id, token=self._token, number=self._number, request=self.request_text, answer=answer, error=error
        )
        try:
            state.JOURNAL.put(tx, row)
        except (TypeError, ValueError, OverflowError):  # a stream, or a number past 64 bits: nothing that can be kept
            return


def _identity(call: Call) -> tuple[Any, ...]:
    return call.ground, call.room, call.operation, call.account, call.region, call.principal


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
