"""Binary media types of REST APIs. Pure."""

from __future__ import annotations


class BinaryTypes:
    """`*/*`, `image/*`, `image/png`: whether a media type is one of them."""

    __slots__ = ("_all", "_exact", "_families")

    def __init__(self, patterns: list[str]) -> None:
        self._exact = {pattern.lower() for pattern in patterns}
        self._all = "*/*" in self._exact
        self._families = tuple(pattern[:-1] for pattern in self._exact if pattern.endswith("/*"))

    def has(self, media_type: str) -> bool:
        """Of a Content-Type header; parameters aside."""
        if self._all:
            return True
        if not self._exact:
            return False
        kind = media_type.partition(";")[0].strip().lower()
        return kind in self._exact or (bool(self._families) and kind.startswith(self._families))

    def answers(self, accept: str | None, content_type: str) -> bool:
        """Whether an answer in base64 is decoded for this client: by its first Accept type, or by the content's type where it sent none."""
        if self._all:
            return True
        if not accept:
            return self.has(content_type)
        return self.has(accept.partition(",")[0])
