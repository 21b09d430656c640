"""Recursive loops: how often a function is already in the chain of calls that leads to it. Pure.

The chain travels in the tracing header's `Lineage`, which the SDKs inside functions pass on: `Lineage=68fd508a:5|c512fbe3:2`, a hash of each function and its count.
Source: AWS: "Use Lambda recursive loop detection to prevent infinite loops"; X-Ray, tracing header.
"""

from __future__ import annotations

import zlib

LOOPS_MAX = 16
"""AWS: "approximately 16 times": an invocation beyond is stopped."""

PLACES_MAX = 8
"""Functions that a header names; the eldest are forgotten."""

_NAME = "Lineage="


def advance(trace: str, function_arn: str) -> tuple[str, int]:
    """The header for an invocation of `function_arn`, and how often it is in the chain by then, this time included."""
    own = f"{zlib.crc32(function_arn.encode()):08x}"
    head, found, tail = trace.partition(_NAME)
    if not found:
        return f"{trace};{_NAME}{own}:1" if trace else f"{_NAME}{own}:1", 1
    lineage, semicolon, rest = tail.partition(";")
    places = [place for place in lineage.split("|") if place]
    count = 1
    for place in places:
        name, _, number = place.rpartition(":")
        if name.endswith(own) and number.isdigit():
            count = min(int(number) + 1, 32_767)
            places.remove(place)
            break
    places.append(f"{own}:{count}")
    return f"{head}{_NAME}{'|'.join(places[-PLACES_MAX:])}{semicolon}{rest}", count
