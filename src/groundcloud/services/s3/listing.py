"""Listings: prefixes, delimiters, markers and pages over keys in UTF-8 order. Pure but for the scan that it is given.

Keys below a common prefix are stepped over a few at a time and then jumped past, so a listing costs what it shows.
AWS: "Listing object keys programmatically", "Organizing objects using prefixes".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar
from urllib.parse import quote

from groundcloud.services.s3 import errors

KEYS_MAX = 1000
STEPS_BEFORE_JUMP = 4
"""A jump costs about as much as this many steps."""

T = TypeVar("T")
Scan = Callable[[str, bool], Iterator[tuple[str, T]]]
"""`scan(start, inclusive)`: (key, value) pairs from `start` on, in order."""


class Page(Generic[T]):
    """`entries` and `prefixes` in order; `last` is the last key or common prefix of a page that has a next one."""

    __slots__ = ("entries", "last", "last_is_prefix", "prefixes", "truncated")

    def __init__(self) -> None:
        self.entries: list[tuple[str, T]] = []
        self.prefixes: list[str] = []
        self.last = ""
        self.last_is_prefix = False
        self.truncated = False


def page_of(scan: Scan[T], prefix: str, delimiter: str, after: str, limit: int, *, shown: Callable[[T], bool] | None = None) -> Page[T]:
    """The keys that begin with `prefix` and come after `after` (exclusive; everything below it where it is a common prefix of this listing).

    `shown` says whether a value counts (delete markers do not).
    """
    page: Page[T] = Page()
    start, inclusive = prefix, True
    if after and after >= prefix:
        start, inclusive = after, False
        if delimiter and after.startswith(prefix) and common_prefix(after, prefix, delimiter) == after:
            beyond = successor(after)
            if beyond is None:
                return page
            start, inclusive = beyond, True
    if limit <= 0:
        return page
    rows = scan(start, inclusive)
    plen = len(prefix)
    count, group, steps = 0, None, 0
    while True:
        pair = next(rows, None)
        if pair is None:
            return page
        key, value = pair
        if group is not None and key.startswith(group):
            steps += 1
            if steps >= STEPS_BEFORE_JUMP:
                beyond = successor(group)
                if beyond is None:
                    return page
                rows, steps = scan(beyond, True), 0
            continue
        if not key.startswith(prefix):
            return page
        if shown is not None and not shown(value):
            continue
        if count >= limit:
            page.truncated = True
            return page
        at = key.find(delimiter, plen) if delimiter else -1
        if at < 0:
            page.entries.append((key, value))
            page.last, page.last_is_prefix = key, False
        else:
            group, steps = key[: at + len(delimiter)], 0
            page.prefixes.append(group)
            page.last, page.last_is_prefix = group, True
        count += 1


def common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    """`key` up to and with the first delimiter after `prefix`; None if it has none."""
    at = key.find(delimiter, len(prefix))
    return None if at < 0 else key[: at + len(delimiter)]


def successor(prefix: str) -> str | None:
    """The first text after everything that begins with `prefix`; None if there is none."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            return prefix[:-1] + chr(last + 1)
        prefix = prefix[:-1]
    return None


def limit_of(value: int | None, name: str) -> int:
    """`max-keys` and its like. Raises InvalidArgument."""
    if value is None:
        return KEYS_MAX
    if value > 2**31 - 1:
        wire_name = "max-keys" if name == "maxKeys" else name
        raise errors.invalid_argument(f"Provided {wire_name} not an integer or within integer range", wire_name, value)
    if value < 0:
        raise errors.invalid_argument(f"Argument {name} must be an integer between 0 and 2147483647", name, value)
    return min(value, KEYS_MAX)


def url_encoded(text: str | None) -> str | None:
    """As `encoding-type=url` writes keys: as a form does, with `/` and `*` kept."""
    return None if text is None else quote(text, safe="/*-._", errors="surrogatepass").replace("%20", "+")


def write_token(last: str) -> str:
    return base64.urlsafe_b64encode(b"1" + last.encode("utf-8", "surrogatepass")).decode()


def read_token(token: str) -> str:
    """Raises InvalidArgument."""
    try:
        raw = base64.b64decode(token.encode(), b"-_", validate=True)
        if raw[:1] != b"1":
            raise ValueError
        return raw[1:].decode("utf-8", "surrogatepass")
    except ValueError:
        raise errors.invalid_argument("The continuation token provided is incorrect", "continuation-token", token) from None
