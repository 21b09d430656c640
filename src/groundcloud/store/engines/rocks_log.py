"""The end of a RocksDB log file after a crash: where its last whole record stops.

RocksDB itself stops reading there; but 9.8 (seen in 9.8.4) never ends its recovery if the bytes that follow happen to look like a record of a
recycled log file. So what follows is cut off before RocksDB opens the file: it was never synced.

Format: blocks of 32 KB; a record is a masked CRC-32C, a length, a type (1 whole, 2 first, 3 middle, 4 last part) and the bytes; fewer than
seven bytes at a block's end are padding. Source: RocksDB wiki, "Write Ahead Log File Format".
"""

from __future__ import annotations

import os
from pathlib import Path
from struct import Struct

BLOCK_BYTES = 32 * 1024
_HEADER = Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def cut_to_whole_records(path: Path) -> int:
    """Drops what follows the last whole record; how many bytes. The file is synced if it changed."""
    with path.open("r+b") as file:
        data = file.read()
        whole = whole_bytes(data)
        if whole < len(data):
            file.truncate(whole)
            os.fsync(file.fileno())
    return len(data) - whole


def whole_bytes(data: bytes) -> int:
    """The offset behind the last record that is there with all its parts."""
    if not data:
        return 0
    from awscrt.checksums import crc32c

    position, whole, within, end = 0, 0, False, len(data)
    view = memoryview(data)
    while position + _HEADER.size <= end:
        left = BLOCK_BYTES - position % BLOCK_BYTES
        if left < _HEADER.size:
            position += left
            continue
        masked, length, kind = _HEADER.unpack_from(data, position)
        stop = position + _HEADER.size + length
        if not _WHOLE <= kind <= _LAST or stop > end or _HEADER.size + length > left or within is not (kind in (_MIDDLE, _LAST)):
            break
        crc = crc32c(view[position + 6 : stop])
        if masked != ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF:
            break
        position = stop
        within = kind in (_FIRST, _MIDDLE)
        if not within:
            whole = position
    return whole
