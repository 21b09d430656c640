"""From the bytes of a sandbox's log pipe to lines; pure.

What the function prints is cut at newlines; records of the runtime (see `inside.frames`) are one line each whatever they contain. Lines longer
than 256 KB are cut there, AWS's limit of a log event.
"""

from __future__ import annotations

from groundcloud.runtime.function import LOG_LINE_BYTES_MAX, LOG_TAIL_BYTES_MAX
from groundcloud.runtime.inside.frames import MARK, MARK_LENGTH

_RECORD_HEADER = len(MARK) + MARK_LENGTH.size


class LineAssembler:
    """Holds the bytes that are not yet a line: at most one line's worth."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes."""
        text = self._rest + chunk if self._rest else chunk
        lines: list[bytes] = []
        start = 0
        length = len(text)
        while start < length:
            mark = text.find(MARK, start)
            plain_end = length if mark < 0 else mark
            start = self._plain(text, start, plain_end, lines, at_mark=mark >= 0)
            if mark < 0 or start < mark:
                break
            if length - mark < _RECORD_HEADER:
                break
            size = min(MARK_LENGTH.unpack_from(text, mark + len(MARK))[0], LOG_LINE_BYTES_MAX * 4)
            end = mark + _RECORD_HEADER + size
            if end > length:
                if length - mark > LOG_LINE_BYTES_MAX:  # a forged or very long record: what is there goes out as it is
                    lines.append(text[mark + _RECORD_HEADER : mark + _RECORD_HEADER + LOG_LINE_BYTES_MAX])
                    start = mark + _RECORD_HEADER + LOG_LINE_BYTES_MAX
                    continue
                break
            lines.append(text[mark + _RECORD_HEADER : end][:LOG_LINE_BYTES_MAX])
            start = end
        self._rest = text[start:]
        return lines

    def flush(self) -> list[bytes]:
        """What is left, as a line: the invocation has ended."""
        rest, self._rest = self._rest, b""
        if rest.startswith(MARK):
            rest = rest[_RECORD_HEADER:]
        return [rest] if rest else []

    def _plain(self, text: bytes, start: int, end: int, lines: list[bytes], *, at_mark: bool) -> int:
        """Cuts what was printed at newlines; returns where the unfinished line starts (`end` where a record follows: it ends the line)."""
        while start < end:
            newline = text.find(b"\n", start, end)
            stop = newline if newline >= 0 else end
            while stop - start > LOG_LINE_BYTES_MAX:
                lines.append(text[start : start + LOG_LINE_BYTES_MAX])
                start += LOG_LINE_BYTES_MAX
            if newline < 0:
                if not at_mark:
                    return start
                lines.append(text[start:end])
                return end
            lines.append(text[start:newline])
            start = newline + 1
        return start


class Tail:
    """The last 4 KB of an invocation's lines."""

    def __init__(self) -> None:
        self._text = bytearray()

    def add(self, line: bytes) -> None:
        self._text += line[-LOG_TAIL_BYTES_MAX:]
        self._text += b"\n"
        if len(self._text) > 4 * LOG_TAIL_BYTES_MAX:
            del self._text[:-LOG_TAIL_BYTES_MAX]

    def take(self) -> bytes:
        text = bytes(self._text[-LOG_TAIL_BYTES_MAX:])
        self._text.clear()
        return text
