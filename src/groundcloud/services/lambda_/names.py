"""How a function is named in a request: name, partial ARN, ARN; each with or without a version or alias. Pure but for a cache."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.services.lambda_ import errors

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

LATEST = "$LATEST"
PUBLISHED = "$LATEST.PUBLISHED"
PUBLISHED_NUMBER = -1
"""Of the version `$LATEST.PUBLISHED` among the keys of a function's versions; 0 is `$LATEST`."""

NUMBER_MAX = 1 << 62

# The model's pattern of FunctionName, with its parts named.
_FORM = re.compile(
    r"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
NAME_LENGTH_MAX = 64
"""AWS: CreateFunction, FunctionName: "If you specify only the function name, it is limited to 64 characters in length." """


class FunctionName(NamedTuple):
    """`qualifier` is a version, an alias, `$LATEST`, `$LATEST.PUBLISHED`, or "" where none was given."""

    account: str
    region: str
    name: str
    qualifier: str = ""

    @property
    def arn(self) -> str:
        """Without the qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    @property
    def qualified_arn(self) -> str:
        """With the qualifier that was given, if one was."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn

    @property
    def is_alias(self) -> bool:
        return bool(self.qualifier) and not self.qualifier.startswith("$") and not self.qualifier.isdigit()


def number_of(qualifier: str) -> int:
    """Of a qualifier that is no alias."""
    if qualifier == PUBLISHED:
        return PUBLISHED_NUMBER
    return 0 if not qualifier or qualifier == LATEST else number_in(qualifier)


def number_in(text: str) -> int:
    """Of digits, however many: a number that no version has, where they are too many to be one's."""
    return min(int(text), NUMBER_MAX)


def version_text(number: int) -> str:
    """`$LATEST`, `$LATEST.PUBLISHED` or the number."""
    if number > 0:
        return str(number)
    return LATEST if number == 0 else PUBLISHED


@lru_cache(maxsize=8192)
def parse(text: str, qualifier: str, account: str, region: str) -> FunctionName:
    """`account` and `region` are the call's. Raises AwsError for what is no name, for another region, for two qualifiers that differ."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise errors.validation(
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {_FORM.pattern}"
        )
    found_region = match["region"] or region
    if found_region != region:
        raise errors.other_region(found_region, region)
    in_name = match["qualifier"] or ""
    if in_name and qualifier and in_name != qualifier:
        raise errors.invalid_parameter("The derived qualifier from the function name does not match the specified qualifier.")
    return FunctionName(match["account"] or account, region, match["name"], qualifier or in_name)


def of(call: Call, request: dict[str, Any]) -> FunctionName:
    """The function that a request names."""
    return parse(request["FunctionName"], request.get("Qualifier") or "", call.account, call.region)


def arn_of(call: Call, request: dict[str, Any]) -> str:
    """The resource of an operation: the function's ARN, with the qualifier if the request has one."""
    return of(call, request).qualified_arn


def unqualified_arn_of(call: Call, request: dict[str, Any]) -> str:
    return of(call, request).arn


def from_arn(function_arn: str) -> FunctionName:
    """Of a whole ARN, in whatever account and region. Raises ValueError."""
    parts = function_arn.split(":")
    if len(parts) not in (7, 8) or parts[2] != "lambda" or parts[5] != "function":
        raise ValueError(f"not a function's ARN: {function_arn!r}")
    return FunctionName(parts[4], parts[3], parts[6], parts[7] if len(parts) == 8 else "")
