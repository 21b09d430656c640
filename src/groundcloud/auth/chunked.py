"""aws-chunked bodies, without I/O: bytes in, decoded bytes out, every chunk's signature and the trailers' verified.

States and what ends them:
    header    "size[;chunk-signature=...]\\r\\n"    -> data, or trailer after size 0 (whose signature covers no bytes)
    data      size bytes, then "\\r\\n"             -> header; the chunk's signature is verified before the next is read
    trailer   "name:value\\r\\n" lines, ended by an empty one -> done; x-amz-trailer-signature is verified
    done      anything more is an error

Data is given out as it arrives, so memory stays flat; a wrong signature raises at the end of its chunk. Who stores the data
must keep nothing of it before `finish` has returned. AWS: "Signature calculations for the authorization header: Transferring
payload in multiple chunks", with and without trailing headers.
"""

from __future__ import annotations

import hashlib

from groundcloud.auth.canonical import EMPTY_SHA256
from groundcloud.auth.refusals import SignatureError
from groundcloud.auth.sigv4 import ECDSA, HMAC, Signature, matches

LINE_BYTES_MAX = 1024  # ours; a signed chunk header takes some 170, SigV4a's 230
TRAILER_BYTES_MAX = 8192  # ours; as S3's limit on headers
CHUNK_BYTES_MIN = 8192  # AWS: all chunks but the last; InvalidChunkSizeError
CHUNK_BYTES_MAX = 5 * 1024**3  # AWS: the largest single upload

_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class ChunkedDecoder:
    """Decodes one body. `decoded_length` is x-amz-decoded-content-length, None where the client did not say."""

    def __init__(self, signature: Signature, secret: str, decoded_length: int | None = None) -> None:
        form = signature.payload_form()
        if form not in ("chunked", "chunked-trailer", "unsigned-chunked-trailer"):
            raise ValueError(f"not an aws-chunked body: {signature.payload_hash}")
        self.trailers: dict[str, str] = {}
        self.decoded_bytes = 0
        self._signature = signature
        self._secret = secret
        self._signed = form != "unsigned-chunked-trailer"
        self._trailer_signed = form == "chunked-trailer"
        self._decoded_length = decoded_length
        self._algorithm = ECDSA if "ECDSA" in (signature.payload_hash or "") else HMAC
        self._previous = signature.signature
        self._state = "header"
        self._line = bytearray()
        self._left = 0
        self._claimed = ""
        self._digest = hashlib.sha256()
        self._chunks = 0
        self._last_size = CHUNK_BYTES_MIN
        self._trailer_lines: list[str] = []
        self._trailer_bytes = 0

    def feed(self, octets: bytes) -> bytes:
        """The data decoded from `octets`. Raises SignatureError: mismatch, bad-chunk, small-chunk, bad-trailer, cut-short."""
        decoded: list[bytes] = []
        at = 0
        while at < len(octets):
            if self._state == "data" and self._left:
                piece = octets[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if self._signed:
                    self._digest.update(piece)
                decoded.append(piece)
                continue
            at = self._gather(octets, at)
            if self._line.endswith(b"\r\n"):
                line = bytes(self._line[:-2])
                self._line.clear()
                self._take_line(line)
        return decoded[0] if len(decoded) == 1 else b"".join(decoded)

    def finish(self) -> None:
        """Call at the body's end. Raises SignatureError("cut-short") unless all of it came."""
        ended = self._state == "done"
        if self._state == "trailer" and not self._trailer_signed and not self._line:
            # Some clients leave out the empty line after the last chunk.
            self._end()
            ended = True
        if not ended or (self._decoded_length is not None and self.decoded_bytes != self._decoded_length):
            raise SignatureError("cut-short")

    def _gather(self, octets: bytes, at: int) -> int:
        """Moves octets up to the next line end into the line; returns where the rest begins."""
        end = octets.find(b"\n", at)
        if self._line.endswith(b"\r") and octets[at : at + 1] == b"\n":
            end = at
        while end > at and octets[end - 1 : end] != b"\r":  # a bare newline ends no line
            following = octets.find(b"\n", end + 1)
            if following < 0:
                end = -1
                break
            end = following
        stop = len(octets) if end < 0 else end + 1
        self._line += octets[at:stop]
        limit = TRAILER_BYTES_MAX if self._state == "trailer" else LINE_BYTES_MAX
        if len(self._line) > limit:
            raise SignatureError("bad-trailer" if self._state == "trailer" else "bad-chunk", reason="line too long")
        return stop

    def _take_line(self, line: bytes) -> None:
        if self._state == "header":
            self._open_chunk(line)
        elif self._state == "data":
            if line:
                raise SignatureError("bad-chunk", reason="data longer than its chunk")
            self._close_chunk()
            self._state = "header"
        elif self._state == "trailer":
            self._take_trailer(line)
        else:
            raise SignatureError("bad-chunk", reason="data after the end")

    def _open_chunk(self, line: bytes) -> None:
        digits, _, extension = line.partition(b";")
        if not digits or len(digits) > 16 or not all(digit in b"0123456789abcdefABCDEF" for digit in digits):
            raise SignatureError("bad-chunk", reason="size")
        size = int(digits, 16)
        self._claimed = ""
        if self._signed:
            name, _, value = extension.partition(b"=")
            if name != b"chunk-signature" or not value.isascii():
                raise SignatureError("bad-chunk", reason="no chunk-signature")
            self._claimed = value.decode("ascii")
        total = self.decoded_bytes + size
        if size > CHUNK_BYTES_MAX or (self._decoded_length is not None and total > self._decoded_length):
            raise SignatureError("cut-short")
        if size and self._last_size < CHUNK_BYTES_MIN:
            raise SignatureError("small-chunk", bytes=str(self._last_size), index=str(self._chunks))
        self._chunks += 1
        self._last_size = size
        self.decoded_bytes = total
        self._left = size
        self._digest = hashlib.sha256()
        if size:
            self._state = "data"
        else:
            self._close_chunk()
            self._state = "trailer"

    def _close_chunk(self) -> None:
        if not self._signed:
            return
        signature = self._signature
        string_to_sign = f"{self._algorithm}-PAYLOAD\n{signature.timestamp}\n{signature.scope}\n{self._previous}\n{EMPTY_SHA256}\n{self._digest.hexdigest()}"
        self._check(string_to_sign, self._claimed)

    def _check(self, string_to_sign: str, claimed: str) -> None:
        if not matches(self._signature, self._secret, string_to_sign, claimed):
            raise SignatureError("mismatch", access_key_id=self._signature.access_key_id, string_to_sign=string_to_sign, signature=claimed)
        self._previous = claimed.rstrip("*")  # SigV4a pads its chunk signatures

    def _take_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > TRAILER_BYTES_MAX:
            raise SignatureError("bad-trailer")
        text = line.decode("latin-1").strip()
        if not text:
            # AWS's page ends trailing headers with "\n\r\n" before the signature; clients with "\r\n".
            if self._trailer_signed and _TRAILER_SIGNATURE not in self.trailers and not self._trailer_lines:
                raise SignatureError("bad-trailer")
            self._end()
            return
        name, colon, value = text.partition(":")
        name = name.strip().lower()
        if not colon or not name or name in self.trailers:
            raise SignatureError("bad-trailer")
        value = value.strip()
        self.trailers[name] = value
        if name != _TRAILER_SIGNATURE:
            self._trailer_lines.append(f"{name}:{value}\n")

    def _end(self) -> None:
        if self._trailer_signed:
            claimed = self.trailers.pop(_TRAILER_SIGNATURE, "")
            digest = hashlib.sha256("".join(self._trailer_lines).encode("latin-1")).hexdigest()
            signature = self._signature
            prefix = f"{self._algorithm}-TRAILER\n{signature.timestamp}\n{signature.scope}"
            self._check(f"{prefix}\n{self._previous}\n{digest}", claimed)
        self._state = "done"
