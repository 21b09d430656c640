"""HTTP/2 in clear text, for clients that begin with its preface: Node's and Java's SDKs do for Kinesis.

A connection holds streams; a stream is one request and its answer, in the words of ASGI, so that the front sees no difference. `h2` keeps the
protocol's states and does no I/O; here are its bytes, its windows and its limits.

What waits, and for what:
- a body that arrives waits in its stream until the front reads it; only what was read gives the client's windows back;
- an answer's bytes wait in their stream (`send` returns when they are out) until the stream's window, the connection's and the socket let
  them go. Streams that wait take turns, a frame each.
After GOAWAY, whoever sent it, streams under way end in peace and the connection after them (RFC 9113, 6.8).

Imported at the first such connection only. No server push (nobody speaks it any more), no `Upgrade: h2c`, no CONNECT.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from h2 import events
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from uvicorn import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from groundcloud.base.limits import HEADERS_BYTES_MAX
from groundcloud.http.http2_stream import Stream, request_scope

STREAMS_MAX = 250
"""Requests at a time on one connection; clients are told and open another."""
RUNNING_MAX = 2 * STREAMS_MAX
"""Requests whose handlers run, those included that their client has given up: a client that opens and resets is refused here."""
RESETS_MAX = 1000
"""Streams that may be reset on one connection beyond those answered (CVE-2023-44487, CVE-2025-8671)."""
STREAM_WINDOW_BYTES = 1024 * 1024
CONNECTION_WINDOW_BYTES = 8 * 1024 * 1024
"""Bytes of bodies that may wait to be read: of a stream, of a connection."""
FRAME_BYTES = 64 * 1024
"""The longest frame, in and (where the client takes it) out."""
UNREAD_BYTES_MAX = 4 * 1024 * 1024
"""Frames other than an answer's that a client may leave unread (acknowledged pings and settings): beyond, it is broken off."""
LINGER_S = 1
"""How long a connection that we end stays open to hear the client out: closed at once with bytes unread, it would be reset, and what we said last
lost with it."""
ENCODER_TABLE_BYTES_MAX = 4096
"""What we remember of a connection's headers to compress them, whatever the client offers to remember."""


class Http2Protocol(asyncio.Protocol):
    """One connection. Takes what uvicorn gives to its own protocols."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None
    ) -> None:
        self.app = config.loaded_app
        self.server_state = server_state
        self.loop = _loop or asyncio.get_running_loop()
        self._app_state = app_state
        self._idle_s = config.timeout_keep_alive
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._streams: dict[int, Stream] = {}
        self._ready: deque[Stream] = deque()
        """Streams with something to send, in the order of their turns."""
        self._paused = False
        self._flush_due = False
        self._leaving = False
        """After GOAWAY: no new streams."""
        self._closing = False
        """All is said."""
        self._resets_left = RESETS_MAX
        self.h2 = _Connection()

    # What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "scheme": "http",
            "root_path": "",
        }
        self.server_state.connections.add(self)  # type: ignore[arg-type]
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(CONNECTION_WINDOW_BYTES - 65535)
        self.flush()
        self._wait_idle()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            happened = self.h2.receive_data(data)
        except ProtocolError:
            self._close()  # h2 has said GOAWAY and why
            return
        for event in happened:
            take = _TAKERS.get(type(event))
            if take is not None:
                take(self, event)
        self.pump()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.connections.discard(self)  # type: ignore[arg-type]
        if self._timer is not None:
            self._timer.cancel()
        self._closing = True
        self._leave_all()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.pump()

    # What uvicorn calls

    def shutdown(self) -> None:
        """No new streams; the connection ends after those under way."""
        self._go_away()

    # What streams call

    def offer(self, stream: Stream) -> None:
        """Has `stream` take its turn to send, now if nothing is in the way."""
        if not stream.queued:
            stream.queued = True
            if stream.pending:
                self._ready.append(stream)
            else:
                self._ready.appendleft(stream)  # a mere end needs no window
        self.pump()

    def pump(self) -> None:
        """Sends what waits, a frame of each stream in turn, as far as windows and the socket allow."""
        ready, h2 = self._ready, self.h2
        unflushed = 0
        while ready and not self._paused:
            stream = ready.popleft()
            if stream.gone or not (stream.pending or stream.ends):
                stream.queued = False
                continue
            size = len(stream.pending)
            if size:
                size = min(size, h2.local_flow_control_window(stream.id), h2.max_outbound_frame_size, FRAME_BYTES)
                if size <= 0:
                    if h2.outbound_flow_control_window <= 0:
                        ready.appendleft(stream)
                        break
                    stream.queued = False  # until its own window opens
                    continue
            last = stream.ends and size == len(stream.pending)
            h2.send_data(stream.id, stream.pending[:size], end_stream=last)
            stream.pending = stream.pending[size:]
            if stream.pending:
                ready.append(stream)
            else:
                stream.queued = False
                stream.sent(last)
            unflushed += size
            if unflushed >= FRAME_BYTES:
                unflushed = 0
                self.flush()
        self.flush_soon()

    def flush(self) -> None:
        self._flush_due = False
        data = self.h2.data_to_send()
        if data and not self._closing and not self._transport.is_closing():
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
                self._transport.abort()

    def flush_soon(self) -> None:
        """Once for all that is said in this turn of the loop."""
        if not self._flush_due:
            self._flush_due = True
            self.loop.call_soon(self.flush)

    def reset(self, stream_id: int, code: ErrorCodes) -> None:
        with suppress(ProtocolError):  # it may have ended meanwhile
            self.h2.reset_stream(stream_id, code)
        self.flush_soon()

    def acknowledge(self, stream_id: int, size: int) -> None:
        """Gives `size` bytes of the windows back to the client."""
        if size:
            with suppress(ProtocolError):
                self.h2.acknowledge_received_data(size, stream_id)
            self.flush_soon()

    def finished(self, stream: Stream) -> None:
        """The handler has returned."""
        self.server_state.total_requests += 1
        self._resets_left = min(self._resets_left + stream.ended, RESETS_MAX)
        self._streams.pop(stream.id, None)
        if not self._streams and not self._closing:
            if self._leaving:
                self._close()
            else:
                self._wait_idle()

    # What the client says

    def _request(self, event: events.RequestReceived) -> None:
        stream_id = event.stream_id
        if self._leaving or len(self._streams) >= RUNNING_MAX:
            self.reset(stream_id, ErrorCodes.REFUSED_STREAM)
            self._count_reset()
            return
        scope = request_scope(event)
        if scope is None:
            self.reset(stream_id, ErrorCodes.PROTOCOL_ERROR)
            self._count_reset()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        stream = Stream(self, stream_id, {**self._scope, "state": self._app_state.copy(), **scope}, event.stream_ended is not None)
        self._streams[stream_id] = stream
        task = self.loop.create_task(stream.run())
        self.server_state.tasks.add(task)
        task.add_done_callback(self.server_state.tasks.discard)

    def _data(self, event: events.DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            self.acknowledge(event.stream_id, event.flow_controlled_length)
        else:
            stream.receive_data(event.data, event.flow_controlled_length)

    def _ended(self, event: events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.receive_end()

    def _reset_received(self, event: events.StreamReset) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None and not stream.gone and not stream.ended:
            stream.leave()
            self._count_reset()

    def _window(self, event: events.WindowUpdated) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            self._requeue(stream)

    def _settings(self, event: events.RemoteSettingsChanged) -> None:
        if self.h2.encoder.header_table_size > ENCODER_TABLE_BYTES_MAX:
            self.h2.encoder.header_table_size = ENCODER_TABLE_BYTES_MAX
        for stream in self._streams.values():  # their windows may have grown
            self._requeue(stream)

    def _terminated(self, event: events.ConnectionTerminated) -> None:
        self._leaving = True
        if not self._streams or event.error_code != ErrorCodes.NO_ERROR:
            self._close()

    # Below

    def _requeue(self, stream: Stream) -> None:
        if stream.pending and not stream.queued:
            stream.queued = True
            self._ready.append(stream)

    def _count_reset(self) -> None:
        self._resets_left -= 1
        if self._resets_left < 0:
            self.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            self._close()

    def _go_away(self) -> None:
        if not self._leaving:
            self.h2.close_connection()
        self._leaving = True
        self.flush()
        if not self._streams:
            self._close()

    def _close(self) -> None:
        self.flush()
        if self._closing or self._transport.is_closing():
            return
        self._leaving = self._closing = True
        self._leave_all()
        self._transport.write_eof()
        self._wait(LINGER_S, self._linger_over)

    def _linger_over(self) -> None:
        if self._transport.get_write_buffer_size():
            self._wait(LINGER_S, self._linger_over)  # a slow client still takes what is its own
        else:
            self._transport.close()

    def _leave_all(self) -> None:
        self._ready.clear()
        for stream in self._streams.values():
            stream.leave()

    def _wait_idle(self) -> None:
        self._wait(self._idle_s, self._go_away)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, then)


class _States(H2ConnectionStateMachine):
    """h2's, but for GOAWAY, with which h2 would end streams under way at once."""

    _transitions = {
        **H2ConnectionStateMachine._transitions,
        (ConnectionState.SERVER_OPEN, ConnectionInputs.SEND_GOAWAY): (None, ConnectionState.SERVER_OPEN),
        (ConnectionState.SERVER_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.SERVER_OPEN),
    }


class _Connection(H2Connection):
    def __init__(self) -> None:
        # Headers that we send are checked and in lower case already.
        super().__init__(
            H2Configuration(client_side=False, header_encoding=False, validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self.state_machine = _States()
        self.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS_MAX,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
                SettingCodes.MAX_FRAME_SIZE: FRAME_BYTES,
                SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS_BYTES_MAX,
            },
        )
        self.max_inbound_frame_size = FRAME_BYTES
        # Up to twice of it, to be answered 431; beyond, h2 breaks the connection off.
        self.decoder.max_header_list_size = 2 * HEADERS_BYTES_MAX

    def clear_outbound_data_buffer(self) -> None:
        """h2 drops what is not sent yet when the client says GOAWAY; streams under way still want it."""


_TAKERS: dict[type, Any] = {
    events.RequestReceived: Http2Protocol._request,
    events.DataReceived: Http2Protocol._data,
    events.StreamEnded: Http2Protocol._ended,
    events.StreamReset: Http2Protocol._reset_received,
    events.WindowUpdated: Http2Protocol._window,
    events.RemoteSettingsChanged: Http2Protocol._settings,
    events.ConnectionTerminated: Http2Protocol._terminated,
}
"""What is not named here h2 sees to: pings, priorities, acknowledgements; trailers say nothing to us."""
