"""Fills the holes between the zygote's objects, so that what a sandbox allocates lies together and not in a hundred pages that it would have to copy.

An allocation in a hole writes to a page that all sandboxes share; without holes it goes to fresh memory, page after page. What fills them is never
freed. Sources: Objects/obmalloc.c (size classes of 16 bytes up to 512, pools that begin with a header of 48 bytes), malloc(3) of glibc (chunks of
multiples of 16 with a header of 8; without a fitting hole from the top).
"""

from __future__ import annotations

import ctypes
import sys

_CLASS_BYTES, _SMALL_BYTES_MAX = 16, 512
_POOL_HEADER_BYTES, _PAGE_BYTES = 48, 4096
_LARGE_BYTES = (65536, 32768, 16384, 8192, *range(4096, 1024, -128), *range(1024, 16, -16))
_IN_ROW = 4  # allocations one after the other that tell fresh memory
_ATTEMPTS_MAX = 100_000


def fill() -> None:
    """Does nothing where Python has no pools of its own."""
    if sys.platform != "linux":
        return
    _fill(_allocator(ctypes.CDLL(None).malloc), _LARGE_BYTES, 8, at_pool=False)
    _fill(_allocator(ctypes.pythonapi.PyObject_Malloc), range(_CLASS_BYTES, _SMALL_BYTES_MAX + 1, _CLASS_BYTES), 0, at_pool=True)


def _allocator(function: ctypes._NamedFuncPointer) -> ctypes._NamedFuncPointer:
    function.restype, function.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    return function


def _fill(allocate: ctypes._NamedFuncPointer, sizes: range | tuple[int, ...], header_bytes: int, *, at_pool: bool) -> None:
    for size in sizes:
        step = (size + header_bytes + _CLASS_BYTES - 1) // _CLASS_BYTES * _CLASS_BYTES
        last, row = 0, 0
        for _ in range(_ATTEMPTS_MAX):
            address = allocate(size)
            if at_pool and address % _PAGE_BYTES == _POOL_HEADER_BYTES:
                row = 1
            elif address == last + step and (row or not at_pool):
                row += 1
            else:
                row = 0
            if row == _IN_ROW:
                break
            last = address
