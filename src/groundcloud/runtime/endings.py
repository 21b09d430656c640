"""AWS's words for the ways in which a runtime ends; pure."""

from __future__ import annotations

import json
import signal
import time
from typing import NamedTuple

from groundcloud.runtime.function import InvokeKind

# Go's words for signals, which AWS's messages carry.
_SIGNAL_WORDS = {
    int(signal.SIGABRT): "aborted",
    int(signal.SIGBUS): "bus error",
    int(signal.SIGFPE): "floating point exception",
    int(signal.SIGHUP): "hangup",
    int(signal.SIGILL): "illegal instruction",
    int(signal.SIGINT): "interrupt",
    int(signal.SIGPIPE): "broken pipe",
    int(signal.SIGQUIT): "quit",
    int(signal.SIGSEGV): "segmentation fault",
    int(signal.SIGTERM): "terminated",
    int(signal.SIGTRAP): "trace/breakpoint trap",
}


def error_payload(error_type: str, message: str) -> bytes:
    """The error document of the platform, as opposed to the function's."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def ending_words(status: str, *, killed: bool) -> str:
    """AWS's words for init's words."""
    kind, _, rest = status.partition(" ")
    if killed or (kind == "signal" and rest == "9") or not kind:
        return "Runtime exited with error: signal: killed"
    if kind == "signal":
        return f"Runtime exited with error: signal: {_SIGNAL_WORDS.get(int(rest), f'signal {rest}')}"
    if kind == "exit" and rest != "0":
        return f"Runtime exited with error: exit status {rest}"
    if kind == "extension":  # its end, then its name
        how, code, *_ = rest.split(" ")
        if how == "signal":
            return f"signal: {_SIGNAL_WORDS.get(int(code), 'killed' if code == '9' else f'signal {code}')}"
        return f"exit code {code}" if code == "0" else f"exit status {code}"
    if kind == "setup":
        return f"Runtime failed to start: {rest}"
    return "Runtime exited without providing a reason"


def with_request_id(document: bytes, request_id: str) -> bytes:
    """The error document of an initialisation, which knew no request yet."""
    try:
        fields = json.loads(document)
    except ValueError:
        return document
    if isinstance(fields, dict):
        fields["requestId"] = request_id
    return json.dumps(fields).encode()


def stamp(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def platform_error(document: bytes) -> str:
    """The sentence in the platform's own error document of a runtime that could not be started."""
    try:
        fields = json.loads(document)
    except (ValueError, RecursionError):
        return ""
    return str(fields.get("errorMessage", "")) if isinstance(fields, dict) else ""


class Ending(NamedTuple):
    """What an invocation is answered whose sandbox has ended; `platform_line` as in InvokeResult."""

    kind: InvokeKind
    payload: bytes
    error_type: str
    platform_line: str | None = None


def of_initialisation(error_type: str, document: bytes, request_id: str, *, platform: bool) -> Ending:
    """`platform`: the document is the platform's own, of a runtime or extension that could not be started."""
    if not platform:
        return Ending("init_error", with_request_id(document, request_id), error_type)
    message = f"RequestId: {request_id} Error: {platform_error(document)}"
    return Ending("init_error", error_payload(error_type, message), error_type, f"{message}\n{error_type}")


def of_time_limit(timeout_s: float, request_id: str, wall_ms: int) -> Ending:
    sentence = f"Task timed out after {timeout_s:.2f} seconds"
    payload = error_payload("Sandbox.Timedout", f"RequestId: {request_id} Error: {sentence}")
    return Ending("timeout", payload, "Sandbox.Timedout", f"{stamp(wall_ms)} {request_id} {sentence}")


def of_process(status: str, request_id: str, *, ran_out_of_memory: bool) -> Ending:
    """`status` is what init said last."""
    message = f"RequestId: {request_id} Error: {ending_words(status, killed=ran_out_of_memory)}"
    word = "Extension.Crash" if status.startswith("extension ") else "Runtime.ExitError"
    line = f"{message}\n{word}"
    if ran_out_of_memory:
        return Ending("oom", error_payload(word, message), "Runtime.OutOfMemory", line)
    return Ending("exit", error_payload(word, message), word, line)
