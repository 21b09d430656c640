"""Where the next page of a list begins, for lists whose keys hold numbers. Pure."""

from __future__ import annotations

from groundcloud.services.lambda_ import errors

_DIGITS_MAX = 18


def number(marker: str) -> int:
    """Raises InvalidParameterValueException for what no list has given."""
    if not (marker.removeprefix("-").isdecimal() and marker.isascii() and len(marker) <= _DIGITS_MAX):
        raise errors.invalid_parameter("Invalid marker.")
    return int(marker)


def version(marker: str) -> tuple[str, int]:
    """`function:number`, the key of a version."""
    function_name, _, text = marker.rpartition(":")
    return function_name, number(text)
