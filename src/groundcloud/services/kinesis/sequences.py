"""Sequence numbers and shard iterators as clients see them. Pure.

A sequence number has 56 digits and orders as a number: 2 (4 bits), the shard's creation in seconds (36 bits), the sequence (64 bits), zeros, the shard's number (32 bits),
2 (4 bits). So a child's numbers are above its parents', and a number says which shard it came from. An iterator says the place itself; the server keeps nothing for it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, NamedTuple

import msgspec

from groundcloud.services.kinesis import errors
from groundcloud.services.kinesis.state import Shard

VERSION = 2
_SECONDS_AT, _SEQUENCE_AT, _SHARD_AT = 148, 84, 4
_PREFIX = b"\x00\x00\x00\x00\x00\x00\x00\x00\x01"


class Place(NamedTuple):
    """What a sequence number says."""

    shard_number: int
    sequence: int


class Iterator(msgspec.Struct, frozen=True, array_like=True):
    """What a ShardIterator says: the first sequence to read."""

    account: str
    region: str
    stream_name: str
    stream_number: int
    shard_number: int
    sequence: int
    issued_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Iterator).decode
_decode_token = msgspec.msgpack.Decoder(tuple[str, int, Any]).decode


def base(shard_number: int, created_ms: int) -> int:
    """What all sequence numbers of a shard share; the number is `str(base + (sequence << SHIFT))`."""
    return VERSION << 184 | (created_ms // 1000) << _SECONDS_AT | shard_number << _SHARD_AT | VERSION


SHIFT = _SEQUENCE_AT


def text(shard: Shard, sequence: int) -> str:
    return str(base(shard.shard_number, shard.created_ms) + (sequence << SHIFT))


def parse(number: str) -> Place | None:
    """None for a number that no stream gave. `0` is the beginning of any shard, see `Place.shard_number` -1."""
    value = int(number)
    if value == 0:
        return Place(-1, 0)
    if value >> 184 != VERSION or value & 15 != VERSION:
        return None
    return Place(value >> _SHARD_AT & 0xFFFFFFFF, value >> _SEQUENCE_AT & 0xFFFFFFFFFFFFFFFF)


def write_iterator(place: Iterator) -> str:
    return b64encode(_PREFIX + _encode(place)).decode()


def read_iterator(written: str) -> Iterator:
    """Raises InvalidArgumentException."""
    try:
        raw = b64decode(written, validate=True)
        if not raw.startswith(_PREFIX):
            raise ValueError("not an iterator")
        return _decode(raw[len(_PREFIX) :])
    except (ValueError, msgspec.MsgspecError):
        raise errors.invalid_argument("Invalid ShardIterator.") from None


def write_token(kind: str, issued_ms: int, where: Any) -> str:
    """A NextToken of `kind`; good for 300 seconds."""
    return b64encode(_encode((kind, issued_ms, where))).decode()


def read_token(kind: str, written: str, now_ms: int) -> Any:
    """Raises InvalidArgumentException or ExpiredNextTokenException."""
    try:
        found, issued_ms, where = _decode_token(b64decode(written, validate=True))
        if found != kind:
            raise ValueError("a token of another operation")
    except (ValueError, msgspec.MsgspecError):
        raise errors.invalid_argument("Invalid NextToken.") from None
    if now_ms - issued_ms > 300_000:
        raise errors.expired_token()
    return where
