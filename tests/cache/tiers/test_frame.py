"""A frame gives its value to whoever asks under its namespace and key, and to nobody once a bit of it has changed."""

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cache.tiers.fakes import NAMESPACE, entry, key

from kvzero.cache.tiers import Entry
from kvzero.cache.tiers.frame import FRAME_BYTES, Framer
from kvzero.errors import CacheError

FRAMER = Framer(max_payload_bytes=500)
SIGNED = Framer(max_payload_bytes=500, secret=b"a secret")
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=16)
SHAPES = st.lists(st.integers(0, 2**64 - 1), max_size=6)
SECONDS = st.floats(allow_nan=False, allow_infinity=False)
LENGTH_AT = FRAME_BYTES - 32 - 8  # the last field of the header, before the checksum


@given(st.binary(max_size=500), NAMES, SHAPES, SECONDS, st.sampled_from([FRAMER, SIGNED]))
def test_what_was_framed_comes_out_again(
    payload: bytes, codec: str, shape: list[int], seconds: float, framer: Framer
) -> None:
    value = Entry(payload, codec, tuple(shape), seconds)
    frame = framer.seal(NAMESPACE, key(1), value)
    assert len(frame) == FRAME_BYTES + len(value.payload)
    assert framer.unseal(NAMESPACE, key(1), frame) == value


def spoil(frame: bytes, other: bytes, rng: random.Random) -> bytes:
    """Return a frame with a few bits flipped, cut off, lengthened, or with a part of another in it."""
    start, stop = sorted(rng.choices(range(len(frame) + 1), k=2))
    way = rng.randrange(5)
    if way == 0:
        return frame[:start]
    if way == 1:
        return frame + other[: 1 + start]
    if way == 2:
        return frame[:start] + other[start:stop] + frame[stop:]
    spoilt = bytearray(frame)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(8 * len(frame))
        spoilt[place // 8] ^= 1 << place % 8
    return bytes(spoilt)


@pytest.mark.parametrize("framer", [FRAMER, SIGNED])
def test_of_100_000_spoilt_frames_none_is_accepted(framer: Framer) -> None:
    rng = random.Random(5)
    kept = [framer.seal(NAMESPACE, key(number), entry(number, num_bytes=90)) for number in range(20)]
    elsewhere = [framer.seal(key(99), key(number), entry(number + 50, num_bytes=90)) for number in range(20)]
    reasons = set()
    for _ in range(50_000):
        number = rng.randrange(20)
        frame = spoil(kept[number], rng.choice(kept + elsewhere), rng)
        if frame != kept[number]:  # a part of another may be the same, and two flips may be of one bit
            reasons.add(framer.unseal(NAMESPACE, key(number), frame))
        foreign = rng.choice([*elsewhere, *kept[:number], *kept[number + 1 :]])
        assert framer.unseal(NAMESPACE, key(number), foreign) == "foreign"
    assert reasons == {"corrupt", "foreign", "oversize"}


def test_a_length_of_2_to_the_63_is_refused_before_anything_is_allocated() -> None:
    frame = bytearray(FRAMER.seal(NAMESPACE, key(1), entry(1)))
    frame[LENGTH_AT : LENGTH_AT + 8] = (2**63).to_bytes(8, "little")
    tracemalloc.start()
    try:
        assert FRAMER.unseal(NAMESPACE, key(1), bytes(frame)) == "oversize"
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_name_with_a_zero_byte_in_it_is_damage_even_in_a_frame_that_is_whole() -> None:
    value = Entry(b"x", "raw", (1,))
    object.__setattr__(value, "codec", "r\0w")  # as another program may write it
    assert FRAMER.unseal(NAMESPACE, key(1), FRAMER.seal(NAMESPACE, key(1), value)) == "corrupt"


def test_a_frame_longer_than_any_may_be_is_oversize() -> None:
    frame = Framer(max_payload_bytes=501).seal(NAMESPACE, key(1), entry(1, num_bytes=501))
    assert FRAMER.unseal(NAMESPACE, key(1), frame) == "oversize"


def test_another_format_is_foreign() -> None:
    frame = FRAMER.seal(NAMESPACE, key(1), entry(1))
    assert FRAMER.unseal(NAMESPACE, key(1), frame[:6] + b"\x02" + frame[7:]) == "foreign"
    assert FRAMER.unseal(NAMESPACE, key(1), bytes(len(frame))) == "foreign"


def test_frames_of_another_secret_or_of_none_are_foreign() -> None:
    for writer in (FRAMER, Framer(max_payload_bytes=500, secret=b"another secret")):
        frame = writer.seal(NAMESPACE, key(1), entry(1))
        assert SIGNED.unseal(NAMESPACE, key(1), frame) == "foreign"
        forged = frame[:8] + SIGNED.seal(NAMESPACE, key(1), entry(1))[8:16] + frame[16:]  # with the signer's name on it
        assert SIGNED.unseal(NAMESPACE, key(1), forged) == "corrupt"


def test_whoever_knows_the_signer_but_not_the_secret_can_make_no_frame() -> None:
    forger = Framer(max_payload_bytes=500)
    forger._signer = SIGNED._signer  # which every frame tells
    assert SIGNED.unseal(NAMESPACE, key(1), forger.seal(NAMESPACE, key(1), entry(1))) == "corrupt"


@pytest.mark.parametrize(
    "value",
    [
        {"codec": "a-name-of-17-char"},
        {"codec": "é"},
        {"codec": "a\0"},
        {"shape": (1,) * 7},
        {"shape": (-1,)},
        {"shape": (2**64,)},
        {"seconds": float("nan")},
    ],
)
def test_an_entry_that_no_frame_can_hold_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(CacheError, match=next(iter(value))):
        Entry(**{"payload": b"", "codec": "none", "shape": (1,)} | value)  # type: ignore[arg-type]
