"""The messages between the server and the runtime of one sandbox, over a stream socket; values in, bytes out.

A frame is kind (1 byte), length of its JSON head (4), length of its payload (4), big-endian, then head and payload.
Log records of the runtime share the log pipe with what the function prints: a record is MARK, a 4-byte length, and the text, so that a
text of several lines stays one event.
"""

from __future__ import annotations

import struct

HEADER = struct.Struct("!BII")

INVOKE = 1  # head: request_id, deadline_ms, function_arn, trace_id, client_context, identity, tenant_id, environment; payload: the event
SET_UP = 2  # to a runtime that was started before its function was known; head: environment, handler, runtime, task_root
READY = 10  # head: rss_kb
INIT_ERROR = 11  # payload: AWS's error document
RESPONSE = 12  # head: request_id, rss_kb; payload: the result
ERROR = 13  # head: request_id, rss_kb, error_type, last (the process ends after this); payload: AWS's error document
FORKED = 15  # of a template; head: id, error; a process descriptor beside it
CHUNK = 14  # head: request_id, content_type; payload: a piece of a streamed response, whose end is RESPONSE or ERROR

HEAD_BYTES_MAX = 256 * 1024
# AWS: Lambda quotas, synchronous response payload of 6 MB; the number is the one in AWS's error message.
RESPONSE_BYTES_MAX = 6_291_556

MARK = b"\x00\xa5GCLOG"
MARK_LENGTH = struct.Struct("!I")


def frame(kind: int, head: bytes, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(head), len(payload)) + head + payload


def log_record(text: bytes) -> bytes:
    return MARK + MARK_LENGTH.pack(len(text)) + text
