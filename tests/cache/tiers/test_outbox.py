"""An outbox gives out what it was given, in order, and never holds more than it may."""

import time
from threading import Thread

from hypothesis import given
from hypothesis import strategies as st
from tests.cache.tiers.fakes import NAMESPACE, entry, key

from kvzero.cache.tiers.outbox import Outbox, Parcel

MAX_BYTES = 1_000


def parcel(number: int, num_bytes: int) -> Parcel:
    return Parcel(NAMESPACE, key(number), entry(number, num_bytes=num_bytes) if num_bytes else None)


@given(st.lists(st.integers(0, 400), max_size=30), st.integers(1, 5), st.integers(1, 900))
def test_it_hands_out_in_order_what_there_was_room_for(sizes: list[int], max_parcels: int, max_bytes: int) -> None:
    outbox = Outbox(MAX_BYTES)
    held: list[Parcel] = []
    for number, size in enumerate(sizes):
        one = parcel(number, size)
        has_room = sum(other.num_bytes for other in held) + one.num_bytes <= MAX_BYTES
        assert outbox.put(one) == has_room
        held += [one] if has_room else []
        if number % 3 == 2:
            taken = outbox.take(max_parcels=max_parcels, max_bytes=max_bytes, seconds=0.0)
            assert taken == held[: len(taken)]
            assert bool(taken) == bool(held)
            assert len(taken) <= max_parcels
            assert len(taken) < 2 or sum(other.num_bytes for other in taken) <= max_bytes
            outbox.finish(taken)
            held = held[len(taken) :]


def test_what_is_being_written_takes_room_until_it_is_done() -> None:
    outbox = Outbox(MAX_BYTES)
    assert outbox.put(parcel(1, 900))
    taken = outbox.take(max_parcels=2, max_bytes=1, seconds=0.0)
    assert not outbox.put(parcel(2, 900))
    outbox.finish(taken)
    assert outbox.put(parcel(2, 900))


def test_closing_waits_for_what_is_there_and_takes_no_more() -> None:
    outbox = Outbox(MAX_BYTES)
    outbox.put(parcel(1, 10))
    outbox.put(parcel(2, 10))

    def work() -> None:
        while not outbox.is_done:
            time.sleep(0.01)
            outbox.finish(outbox.take(max_parcels=1, max_bytes=1, seconds=5.0))

    thread = Thread(target=work)
    thread.start()
    assert outbox.close(30.0) == 0
    thread.join()
    assert not outbox.put(parcel(3, 10))


def test_closing_throws_away_what_nobody_takes() -> None:
    outbox = Outbox(MAX_BYTES)
    outbox.put(parcel(1, 10))
    outbox.put(parcel(2, 10))
    assert outbox.close(0.01) == 2
    assert outbox.is_done
