"""aws-chunked bodies: AWS's published example, every way of cutting it, and bodies that are wrong."""

from __future__ import annotations

import hashlib
import hmac
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.auth import sigv4
from groundcloud.auth.chunked import CHUNK_BYTES_MIN, LINE_BYTES_MAX, ChunkedDecoder
from groundcloud.auth.refusals import SignatureError, refusal

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
STAMP, SCOPE = "20130524T000000Z", "20130524/us-east-1/s3/aws4_request"
KEY = sigv4.signing_key(SECRET, "20130524", "us-east-1", "s3")
SIGNED, TRAILER, UNSIGNED = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
)


def _signature(form: str, seed: str) -> sigv4.Signature:
    authorization = f"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{SCOPE}, SignedHeaders=host, Signature={seed}"
    signature = sigv4.parse_authorization({"authorization": authorization, "x-amz-date": STAMP, "x-amz-content-sha256": form}, "")
    assert signature is not None
    return signature


def _sign(kind: str, previous: str, *hashes: str) -> str:
    text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", STAMP, SCOPE, previous, *hashes])
    return hmac.digest(KEY, text.encode(), "sha256").hex()


def _encode(chunks: list[bytes], form: str, seed: str, trailers: list[tuple[str, str]]) -> bytes:
    """The body as a client writes it, written here apart from the decoder."""
    body, previous = b"", seed
    for chunk in [*chunks, b""]:
        extension = ""
        if form != UNSIGNED:
            previous = _sign("PAYLOAD", previous, hashlib.sha256(b"").hexdigest(), hashlib.sha256(chunk).hexdigest())
            extension = f";chunk-signature={previous}"
        body += f"{len(chunk):x}{extension}\r\n".encode() + (chunk + b"\r\n" if chunk else b"")
    for name, value in trailers:
        body += f"{name}:{value}\r\n".encode()
    if form == TRAILER:
        digest = hashlib.sha256("".join(f"{name}:{value}\n" for name, value in trailers).encode()).hexdigest()
        body += f"x-amz-trailer-signature:{_sign('TRAILER', previous, digest)}\r\n".encode()
    return body + b"\r\n"


def test_the_published_example_decodes() -> None:
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    first = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
    second = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
    last = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"
    body = f"10000;chunk-signature={first}\r\n".encode() + b"a" * 65536 + b"\r\n"
    body += f"400;chunk-signature={second}\r\n".encode() + b"a" * 1024 + b"\r\n" + f"0;chunk-signature={last}\r\n\r\n".encode()
    decoder = ChunkedDecoder(_signature(SIGNED, seed), SECRET, 66560)
    assert decoder.feed(body) == b"a" * 66560
    decoder.finish()


@given(
    sizes=st.lists(st.integers(CHUNK_BYTES_MIN, CHUNK_BYTES_MIN + 50), max_size=2),
    tail=st.binary(max_size=40),
    form=st.sampled_from([SIGNED, TRAILER, UNSIGNED]),
    cuts=st.lists(st.integers(0, 30_000), max_size=8),
)
def test_a_body_decodes_however_it_is_cut(sizes: list[int], tail: bytes, form: str, cuts: list[int]) -> None:
    chunks = [bytes([65 + number]) * size for number, size in enumerate(sizes)] + ([tail] if tail else [])
    trailers = [] if form == SIGNED else [("x-amz-checksum-crc32", "AAAAAA==")]
    body = _encode(chunks, form, "5" * 64, trailers)
    decoder = ChunkedDecoder(_signature(form, "5" * 64), SECRET, sum(map(len, chunks)))
    points = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    decoded = b"".join(decoder.feed(body[start:end]) for start, end in pairwise(points))
    decoder.finish()
    assert decoded == b"".join(chunks)
    assert decoder.trailers == dict(trailers)


@pytest.mark.parametrize("form", [SIGNED, TRAILER, UNSIGNED])
def test_byte_by_byte_is_the_same(form: str) -> None:
    body = _encode([b"hello\r\nworld"], form, "5" * 64, [] if form == SIGNED else [("x-amz-checksum-crc32", "AA==")])
    decoder = ChunkedDecoder(_signature(form, "5" * 64), SECRET)
    assert b"".join(decoder.feed(bytes([octet])) for octet in body) == b"hello\r\nworld"
    decoder.finish()


def _decode(body: bytes, form: str, length: int | None = None) -> bytes:
    decoder = ChunkedDecoder(_signature(form, "5" * 64), SECRET, length)
    decoded = decoder.feed(body)
    decoder.finish()
    return decoded


@pytest.mark.parametrize("form", [SIGNED, TRAILER, UNSIGNED])
def test_a_body_cut_short_anywhere_is_refused(form: str) -> None:
    body = _encode([b"x" * 30], form, "5" * 64, [] if form == SIGNED else [("x-amz-checksum-crc32", "AA==")])
    # Without signed trailers the last empty line may be missing, as some clients leave it out; a header line must be whole.
    tolerated = 0 if form == TRAILER else 2
    for end in range(len(body) - tolerated - 1):
        if form == UNSIGNED and body[:end].endswith(b"0\r\n"):
            continue
        with pytest.raises(SignatureError):
            _decode(body[:end], form, 30)


@pytest.mark.parametrize("form", [SIGNED, TRAILER])
def test_any_changed_byte_of_a_signed_body_is_noticed(form: str) -> None:
    body = _encode([b"x" * 20], form, "5" * 64, [("x-amz-checksum-crc32", "AA==")] if form == TRAILER else [])
    assert _decode(body, form) == b"x" * 20
    for at in range(len(body) - 2):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        with pytest.raises(SignatureError):
            _decode(changed, form, 20)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\r\n", "bad-chunk"),
        (b"-5\r\nhello\r\n", "bad-chunk"),
        (b"0x5\r\nhello\r\n", "bad-chunk"),
        (b"fffffffffffffffff\r\n", "bad-chunk"),
        (b"ffffffffffffffff\r\n", "cut-short"),
        (b"5\r\nhello!\r\n0\r\n\r\n", "bad-chunk"),
        (b"a" * (LINE_BYTES_MAX + 1), "bad-chunk"),
        (b"5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", "small-chunk"),
        (b"0\r\nno colon\r\n\r\n", "bad-trailer"),
        (b"0\r\na:1\r\na:2\r\n\r\n", "bad-trailer"),
        (b"0\r\n" + b"a:" + b"x" * 9000 + b"\r\n\r\n", "bad-trailer"),
        (b"0\r\n" + b"".join(b"h%d:%s\r\n" % (n, b"x" * 100) for n in range(100)) + b"\r\n", "bad-trailer"),
        (b"0\r\n\r\nmore\r\n", "bad-chunk"),
    ],
)
def test_a_malformed_body_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(SignatureError) as caught:
        _decode(body, UNSIGNED)
    assert caught.value.kind == kind
    assert refusal(caught.value, "s3").status in (400, 403)


def test_the_declared_length_must_hold() -> None:
    body = _encode([b"hello"], UNSIGNED, "5" * 64, [])
    assert _decode(body, UNSIGNED, 5) == b"hello"
    for wrong in (4, 6):
        with pytest.raises(SignatureError) as caught:
            _decode(body, UNSIGNED, wrong)
        assert refusal(caught.value, "s3").code == "IncompleteBody"


def test_a_signed_body_without_its_signatures_is_refused() -> None:
    unsigned = _encode([b"hello"], UNSIGNED, "5" * 64, [])
    with pytest.raises(SignatureError, match="bad-chunk"):
        _decode(unsigned, SIGNED)
    without_trailer_signature = _encode([b"hello"], SIGNED, "5" * 64, [])
    with pytest.raises(SignatureError):
        _decode(without_trailer_signature, TRAILER)
