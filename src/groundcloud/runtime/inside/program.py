"""Starts a runtime that is a program of its own: the function's `bootstrap`, or Node.js with its side of the channel.

Runs in the process that was forked for the runtime, behind all walls. Where the program cannot be started, the server is told through the
channel in AWS's words, and the process ends.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from . import frames

_CHANNEL_FD = 1000


def start(request: dict[str, Any], channel_fd: int) -> None:
    """Executes the first of `request["programs"]` that is there; each is [path, argument, ...]. Never returns.

    "channel": the program speaks the channel itself, at the descriptor that its last argument names. "environment": variables beside the function's.
    """
    program = request["program"]
    error_type, message = "Runtime.InvalidEntrypoint", ""
    environment = {**program.get("environment", {}), **request["environment"]}
    try:
        os.chdir(request["task_root"])
        if program["channel"]:
            if channel_fd != _CHANNEL_FD:
                os.dup2(channel_fd, _CHANNEL_FD, inheritable=True)
            else:
                os.set_inheritable(channel_fd, True)
        candidates: list[list[str]] = program["candidates"]
        found = next((command for command in candidates if os.path.lexists(command[0])), None)
        if found is None or os.path.isdir(found[0]):
            message = f"Couldn't find valid bootstrap(s): [{' '.join(command[0] for command in candidates)}]"
        else:
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)  # Python ignores them, and a program would inherit that
            try:
                os.execve(found[0], found, environment)
            except OSError as error:
                # Go's words for execve's errors, which AWS's messages carry.
                message = f"fork/exec {found[0]}: {(error.strerror or str(error)).lower()}"
    except OSError as error:
        message = f"{type(error).__name__}: {error}"
    head = {"error_type": error_type, "platform": True}
    text = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
    data = frames.frame(frames.INIT_ERROR, json.dumps(head).encode(), text)
    while data:
        data = data[os.write(channel_fd, data) :]
    os._exit(1)
