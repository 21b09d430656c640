"""Init's loop as a few machine instructions, for the time after the runtime's process has started: init holds two pages instead of an interpreter.

What `sandbox.be_init` does in Python keeps a megabyte for each sandbox: the pages that were written to on the way, and the old state of those that the
zygote has written to since. This unmaps everything but itself. Its source is small_init.s; where it does not fit (another machine, extensions to
wait for, no process namespace) init goes on in Python. The zygote tries it out once, in a process that may die of it.
"""

from __future__ import annotations

import base64
import ctypes
import mmap
import os
import signal
import sys

from . import linux

_CODE = base64.b64decode(
    "SIn7SYn0TI0sFkyJ7EyJ70iJzkgp/rgLAAAADwUx/0yJ5rgLAAAADwVIjT2/AAAAMfYx0kG6CAAAALiAAAAADwW+EwAAAIP4CnQjvhIAAACD+Ax0GYP4EXQk"
    "g/gPdHKD+AF1xUiJ374PAAAA6wdIx8f/////uD4AAAAPBeurSMfH/////0mNdfi6AQAAAEUx0rg9AAAADwWFwH6NOdh13kGLRfi5BAAAAInCg+IPg8JBSI01"
    "RAAAAIhUDv/B6AT/yXXmSI01LQAAALoJAAAA6wxIjTUoAAAAugUAAAAx/7gBAAAADwUx/7jnAAAADwUBSgEAAAAAAHdhaXQgQUFBQWVuZGVk"
)
_PAGE_BYTES = 4096
_USER_SPACE_END = 0x7FFF_FFFF_F000  # of x86-64 with four levels of pages, which is what a process gets unless it asks for more
_RSEQ, _RSEQ_UNREGISTER, _RSEQ_SIGNATURE = 334, 1, 0x53053053
_RSEQ_BYTES = (32, 64, 128, 256)  # as C libraries have registered it
STATUS_MARK = b"wait "


def fits() -> bool:
    return sys.platform == "linux" and linux.MACHINE == "x86_64" and sys.maxsize > 1 << 32 and mmap.PAGESIZE == _PAGE_BYTES


def become(runtime_pid: int) -> None:
    """Never returns, unless it cannot be done. Descriptor 0 is the status pipe, others are closed; init's signals are blocked."""
    if not fits() or not _leave_restartable_sequences():
        return
    try:
        memory = mmap.mmap(
            -1, 2 * _PAGE_BYTES, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        )
    except OSError:  # forbidden by some security modules
        return
    memory[: len(_CODE)] = _CODE
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    words = (ctypes.c_long(runtime_pid), ctypes.c_long(start), ctypes.c_long(2 * _PAGE_BYTES), ctypes.c_long(_USER_SPACE_END))
    ctypes.PYFUNCTYPE(None, *[ctypes.c_long] * 4)(start)(*words)


def _leave_restartable_sequences() -> bool:
    """The kernel writes to the area that the C library has registered, which is about to be gone."""
    library = ctypes.PyDLL(None, use_errno=True)
    try:
        offset = ctypes.c_ssize_t.in_dll(library, "__rseq_offset").value
        if not ctypes.c_uint.in_dll(library, "__rseq_size").value:
            return True
    except ValueError:  # a C library that has none
        return True
    library.pthread_self.restype = ctypes.c_void_p
    area = library.pthread_self() + offset
    arguments = (_RSEQ_UNREGISTER, _RSEQ_SIGNATURE)
    return any(not library.syscall(*map(ctypes.c_long, (_RSEQ, area, size, *arguments))) for size in _RSEQ_BYTES)


def try_out() -> None:
    """In a process of its own, first of a process namespace: becomes that, with a child that ends. Exits with 0 if it works."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGHUP})
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    child = os.fork()
    if child == 0:
        os._exit(0)
    become(child)
    os._exit(1)
