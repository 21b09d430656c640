"""The ciphertext blob by itself: it names its place, and anything that is changed in it is noticed."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.kms import ciphertexts
from groundcloud.services.kms.ciphertexts import Place

CIPHER = AESGCM(bytes(range(32)))
DIGITS = st.text("0123456789abcdef", min_size=32, max_size=32)
KEY_IDS = DIGITS.map(lambda d: f"mrk-{d}") | DIGITS.map(lambda d: f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}")
PLACES = st.builds(Place, st.text("0123456789", min_size=12, max_size=12), KEY_IDS, st.text("0123456789abcdef", min_size=64, max_size=64))
CONTEXTS = st.none() | st.dictionaries(st.text(), st.text(), max_size=4)


@given(PLACES, st.binary(min_size=1, max_size=64), CONTEXTS)
def test_a_blob_names_its_place_and_opens(place, plaintext, context):
    blob = ciphertexts.seal(CIPHER, place, plaintext, context)
    assert ciphertexts.place_of(blob) == place
    assert ciphertexts.open_(CIPHER, blob, context) == plaintext


@given(PLACES, st.binary(min_size=1, max_size=16), CONTEXTS, st.data())
def test_a_changed_byte_is_noticed(place, plaintext, context, data):
    blob = bytearray(ciphertexts.seal(CIPHER, place, plaintext, context))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    assert ciphertexts.open_(CIPHER, bytes(blob), context) is None


@given(PLACES, CONTEXTS, CONTEXTS)
def test_another_context_opens_nothing(place, context, other):
    opened = ciphertexts.open_(CIPHER, ciphertexts.seal(CIPHER, place, b"x", context), other)
    assert opened == (b"x" if (context or {}) == (other or {}) else None)


@given(st.binary(max_size=200))
def test_anything_is_read_without_a_fault(blob):
    ciphertexts.place_of(blob)
