"""Characters that XML 1.0, the answers' format, cannot carry: what has one would make the description of its stack unreadable."""

from __future__ import annotations

import re

from groundcloud.services.cloudformation import errors

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_search = _UNWRITABLE.search


def has_unwritable(text: str) -> bool:
    return _search(text) is not None


def refuse_unwritable(what: str, text: str) -> None:
    found = _search(text)
    if found is not None:
        raise errors.validation(f"{what} contains a character that is not allowed: U+{ord(found.group()):04X}")


def writable(text: str) -> str:
    """The text with a replacement character for each of them, for what others say (reasons, a function's answers)."""
    return _UNWRITABLE.sub("�", text) if _search(text) is not None else text
