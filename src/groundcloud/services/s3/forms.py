"""Form uploads: the multipart/form-data of a browser, and the policy that allows it. AWS: "Browser-based uploads using POST", "POST policy".

The parser takes bytes as they come and holds at most a field; the file's content passes through.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

from groundcloud.base.clock import Clock
from groundcloud.services.s3 import errors
from groundcloud.wire import timestamps

FIELDS_BYTES_MAX = 20 * 1024
"""AWS: form fields before the file."""

DOCUMENT_LIFETIME_S = 3600
"""A policy says when it ends and not when it was made: taken to be made for the SDKs' default."""

EXPIRES_S_DEFAULT = 3600
"""What SDKs give a policy that says when it ends and not when it was made."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
"""AWS: "Creating a POST policy": ISO 8601, in GMT."""
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_PARAMETER = re.compile(r'(name|filename)\*?="((?:[^"\\]|\\.)*)"')
_UNCONDITIONED = frozenset(("policy", "x-amz-signature", "signature", "awsaccesskeyid", "file", "x-amz-security-token"))


class Form:
    """Fields (names in lower case) that came before the file, then the file."""

    def __init__(self, content_type: str, source: AsyncIterator[bytes]) -> None:
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise _malformed()
        self._boundary = b"\r\n--" + found[1].encode("latin-1")
        self._source = source
        self._buffer = b"\r\n"
        self.fields: dict[str, str] = {}
        self.filename = ""

    async def read_fields(self) -> None:
        """Up to the file. Raises MalformedPOSTRequest, MaxPostPreDataLengthExceeded, InvalidArgument where no file comes."""
        total = 0
        while True:
            await self._until(self._boundary)
            if await self._starts_with(b"--"):
                raise errors.invalid_argument("POST requires exactly one file upload per request.", "file", "0")
            head = await self._until(b"\r\n\r\n")
            disposition = next(
                (line for line in head.decode("utf-8", "replace").split("\r\n") if line.lower().startswith("content-disposition:")), ""
            )
            parameters = {name: value.replace('\\"', '"') for name, value in _PARAMETER.findall(disposition)}
            name = parameters.get("name", "").lower()
            if not name:
                raise _malformed()
            if name == "file":
                self.filename = re.split(r"[/\\]", parameters.get("filename", ""))[-1]
                return
            value = await self._peek_until(self._boundary)
            total += len(name) + len(value)
            if total > FIELDS_BYTES_MAX:
                raise errors.S3Error(
                    "MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.", 400
                )
            self.fields[name] = value.decode("utf-8", "replace")

    async def file(self) -> AsyncIterator[bytes]:
        """The file's content. Raises IncompleteBody."""
        keep = len(self._boundary) - 1
        while True:
            at = self._buffer.find(self._boundary)
            if at >= 0:
                if at:
                    yield self._buffer[:at]
                self._buffer = self._buffer[at:]
                break
            if len(self._buffer) > keep:
                yield self._buffer[:-keep]
                self._buffer = self._buffer[-keep:]
            if not await self._more():
                raise errors.incomplete_body()
        async for _ in self._source:  # whatever follows the file is not looked at
            pass

    async def _more(self) -> bool:
        async for chunk in self._source:
            self._buffer += chunk
            return True
        return False

    async def _peek_until(self, mark: bytes) -> bytes:
        """What stands before the next `mark`, which stays."""
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > FIELDS_BYTES_MAX + len(mark):
                raise errors.S3Error(
                    "MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.", 400
                )
            if not await self._more():
                raise _malformed()
        found, self._buffer = self._buffer[:at], self._buffer[at:]
        return found

    async def _until(self, mark: bytes) -> bytes:
        found = await self._peek_until(mark)
        self._buffer = self._buffer[len(mark) :]
        return found

    async def _starts_with(self, text: bytes) -> bool:
        while len(self._buffer) < len(text):
            if not await self._more():
                raise _malformed()
        return self._buffer.startswith(text)


def check_policy(text: str, fields: dict[str, str], bucket_name: str, clock: Clock) -> tuple[int, int] | None:
    """Holds the form against its policy; the range of sizes that it sets. Raises AccessDenied, InvalidPolicyDocument."""
    expiration, conditions = _read_policy(text)
    if expiration < clock.aged_s(expiration - DOCUMENT_LIFETIME_S):
        raise _refused("Policy expired.")
    given = {**fields, "bucket": bucket_name}
    seen: set[str] = set()
    sizes: tuple[int, int] | None = None
    for condition in conditions:
        if isinstance(condition, dict) and len(condition) == 1:
            for name, value in condition.items():
                seen.add(_expect("eq", name, value, given, condition))
        elif isinstance(condition, list) and len(condition) == 3:
            operator = str(condition[0]).lower()
            if operator == "content-length-range":
                sizes = _sizes(condition)
            elif not str(condition[1]).startswith("$"):
                raise _invalid(f"Invalid Condition: the name of a form's field begins with '$': {condition[1]}")
            else:
                seen.add(_expect(operator, str(condition[1])[1:], condition[2], given, condition))
        else:
            raise _invalid("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
    for name in given:  # the bucket, too, must be among the conditions
        if name not in seen and name not in _UNCONDITIONED and not name.startswith("x-ignore-"):
            raise _refused(f"Extra input fields: {name}")
    return sizes


def _sizes(condition: list[Any]) -> tuple[int, int]:
    """Of a content-length-range. Raises InvalidPolicyDocument."""
    try:
        smallest, largest = int(condition[1]), int(condition[2])
    except (TypeError, ValueError):
        raise _invalid(f"Invalid content-length-range: {json.dumps(condition)}") from None
    if smallest < 0 or largest < 0:
        raise _invalid(f"Invalid content-length-range: {json.dumps(condition)}")
    return smallest, largest


def _read_policy(text: str) -> tuple[float, list[Any]]:
    """Expiration and conditions. Raises InvalidPolicyDocument."""
    try:
        policy = json.loads(b64decode(text, validate=False))
    except ValueError:
        raise _invalid("Invalid JSON.") from None
    if not isinstance(policy, dict):
        raise _invalid("Invalid JSON.")
    if "expiration" not in policy:
        raise _invalid("Policy missing expiration.")
    try:
        if not _MOMENT.fullmatch(policy["expiration"]):
            raise ValueError
        expiration = timestamps.parse(policy["expiration"])
    except (ValueError, TypeError):
        raise _invalid(f"Invalid 'expiration' value: '{policy['expiration']}'") from None
    if "conditions" not in policy:
        raise _invalid("Policy missing conditions.")
    if not isinstance(policy["conditions"], list):
        raise _invalid("Invalid 'conditions' value: must be a List.")
    return expiration, policy["conditions"]


def _invalid(sentence: str) -> errors.S3Error:
    return errors.S3Error("InvalidPolicyDocument", f"Invalid Policy: {sentence}", 400)


def _expect(operator: str, name: str, wanted: Any, given: dict[str, str], condition: Any) -> str:
    lower = name.lower()
    value, wanted = given.get(lower, ""), str(wanted)
    right = value == wanted if operator == "eq" else value.startswith(wanted) if operator == "starts-with" else None
    if right is None:
        raise _invalid(f"Invalid Condition operator: {operator}")
    if operator == "starts-with" and lower == "content-type" and "," in value:
        right = all(part.strip().startswith(wanted) for part in value.split(",")) if value else False
    if not right:
        raise _refused(f"Policy Condition failed: {json.dumps(condition if isinstance(condition, list) else ['eq', f'${name}', wanted])}")
    return lower


def _refused(sentence: str) -> errors.S3Error:
    return errors.S3Error("AccessDenied", f"Invalid according to Policy: {sentence}", 403)


def _malformed() -> errors.S3Error:
    return errors.S3Error("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.", 400)
