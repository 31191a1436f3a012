"""A tier gives what it was given, never raises, and does not go on asking a backend that is sick."""

import warnings
from collections.abc import Iterator

import pytest
from tests.cache.tiers.fakes import NAMESPACE, FakeBackend, entries, entry, key, wait_until

from kvzero.cache.tiers import Entry, Tier, TierStats
from kvzero.cache.tiers import stored as module
from kvzero.cache.tiers.breaker import MAX_FAILURES
from kvzero.cache.tiers.frame import FRAME_BYTES, Framer
from kvzero.cache.tiers.outbox import Parcel
from kvzero.cache.tiers.stored import StoredTier
from kvzero.errors import CacheError, KvzeroWarning

FRAMER = Framer(max_payload_bytes=100)
FRAME = FRAME_BYTES + 40
ROOM = 10 * Parcel(NAMESPACE, key(0), entry(0)).num_bytes
"""Bytes of ten entries."""


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def tier(backend: FakeBackend) -> Iterator[Tier]:
    tier = StoredTier(backend, FRAMER, queue_bytes=ROOM)
    wait_until(lambda: backend.num_trials == 1)
    yield tier
    tier.close()
    assert backend.is_closed


def stats(tier: Tier) -> TierStats:
    return tier.stats()["fake"]


def keep(tier: Tier, *numbers: int) -> None:
    """Have entries kept, and wait until that is settled."""
    before = stats(tier)
    tier.set_many(NAMESPACE, entries(*numbers))

    def is_settled() -> bool:
        now = stats(tier)
        return now.written + now.known + sum(now.dropped.values()) == (
            before.written + before.known + sum(before.dropped.values()) + len(numbers)
        )

    wait_until(is_settled)


def keep_apart(tier: Tier, *numbers: int) -> None:
    """Have entries kept one after another."""
    for number in numbers:
        keep(tier, number)


def misses(tier: Tier) -> dict[str, int]:
    """Return the misses by reason, without those that there are none of."""
    return {reason: count for reason, count in stats(tier).misses.items() if count}


def test_what_was_kept_is_found_and_everything_is_counted(tier: Tier, backend: FakeBackend) -> None:
    keep(tier, 1, 2, 3)
    found = tier.get_many(NAMESPACE, [key(2), key(4), key(3)])
    assert found == [entry(2), None, entry(3)]
    now = stats(tier)
    assert (now.hits, misses(tier), now.total_queries, now.hit_rate) == (2, {"absent": 1}, 3, 2 / 3)
    assert (now.written, now.bytes_written, now.bytes_read) == (3, 3 * FRAME, 2 * FRAME)
    assert now.read_ratio == 2 / 3
    assert 0 < now.median_seconds <= now.p99_seconds < now.seconds_saved < 0.5
    figures = now.figures()
    assert figures["misses"] == figures["misses_absent"] == 1.0
    assert figures["dropped_queue"] == figures["misses_timeout"] == 0.0
    told = dict(word.split("=") for word in str(now).split(", "))
    assert str(now).startswith("hits=2, misses=1 (absent 1), written=3, dropped=0, hit_rate=66.7%, bytes_read=")
    assert (told["bytes_read"], told["bytes_written"], told["read_ratio"]) == (f"{2 * FRAME}", f"{3 * FRAME}", "0.667")
    assert 0 < float(told["median_seconds"]) <= float(told["p99_seconds"]) < float(told["seconds_saved"]) <= 0.5


def test_the_first_entry_under_a_key_stays(tier: Tier) -> None:
    keep(tier, 1)
    tier.set_many(NAMESPACE, {key(1): entry(2)})
    wait_until(lambda: stats(tier).known == 1)
    assert tier.get_many(NAMESPACE, [key(1)]) == [entry(1)]
    assert stats(tier).written == 1


def test_what_is_damaged_is_a_miss_and_makes_room_for_what_is_not(tier: Tier, backend: FakeBackend) -> None:
    keep(tier, 1, 2, 3)
    frame = backend.frames[key(1)]
    backend.frames[key(1)] = frame[:-1] + bytes([frame[-1] ^ 1])
    backend.frames[key(2)] = bytes(FRAMER.max_bytes + 10)
    backend.frames[key(3)] = frame
    assert tier.get_many(NAMESPACE, [key(1), key(2), key(3)]) == [None] * 3
    assert misses(tier) == {"corrupt": 1, "oversize": 1, "foreign": 1}
    keep(tier, 1, 2, 3)
    assert tier.get_many(NAMESPACE, [key(1), key(2), key(3)]) == [
        entry(1),
        entry(2),
        None,
    ]  # another's stays where it is


def test_an_entry_that_is_dropped_is_forgotten(tier: Tier, backend: FakeBackend) -> None:
    keep(tier, 1, 2)
    tier.drop([key(1)])
    wait_until(lambda: key(1) not in backend.frames)
    assert tier.get_many(NAMESPACE, [key(1), key(2)]) == [None, entry(2)]


def test_a_backend_that_fails_three_times_is_asked_no_more_until_it_answers(tier: Tier, backend: FakeBackend) -> None:
    keep(tier, 1)
    backend.answers.clear()
    before = backend.num_look_ups
    for _ in range(MAX_FAILURES):
        assert tier.get_many(NAMESPACE, [key(1), key(2)]) == [None, None]
    with pytest.warns(KvzeroWarning, match=r"^tier fake does not answer: it was told to fail; the run goes on without"):
        tier.get_many(NAMESPACE, [key(1)])
    for _ in range(20):
        assert tier.get_many(NAMESPACE, [key(1)]) == [None]
    assert backend.num_look_ups == before + MAX_FAILURES
    assert misses(tier) == {"timeout": 2 * MAX_FAILURES, "open": 21}
    backend.answers.set()
    wait_until(lambda: tier.get_many(NAMESPACE, [key(1)]) == [entry(1)])


def test_what_should_be_written_while_a_backend_is_sick_is_dropped(tier: Tier, backend: FakeBackend) -> None:
    backend.answers.clear()
    for _ in range(MAX_FAILURES):
        tier.get_many(NAMESPACE, [key(1)])
    with pytest.warns(KvzeroWarning, match="does not answer"):
        keep(tier, 1, 2)
    assert stats(tier).dropped == {"queue": 0, "oversize": 0, "sick": 2}
    backend.answers.set()
    wait_until(lambda: backend.num_trials > 1 and tier.get_many(NAMESPACE, [key(1)]) == [None])
    keep(tier, 1)
    assert backend.frames.keys() == {key(1)}


def test_a_backend_that_takes_nothing_is_still_read_and_told_of_once(tier: Tier, backend: FakeBackend) -> None:
    keep(tier, 1)
    backend.takes.clear()
    with pytest.warns(KvzeroWarning, match="tier fake keeps nothing for now: it was told to fail; the run") as said:
        keep_apart(tier, 2, 3, 4, 5, 6)
    assert tier.get_many(NAMESPACE, [key(1)]) == [entry(1)]
    assert len(said) == 1
    assert stats(tier).dropped["sick"] == 5
    backend.takes.set()
    wait_until(lambda: keep(tier, 7) or stats(tier).written == 2)  # type: ignore[func-returns-value]


def test_a_backend_that_does_not_answer_at_the_beginning_costs_no_look_up(backend: FakeBackend) -> None:
    backend.answers.clear()
    tier = StoredTier(backend, FRAMER, queue_bytes=ROOM)
    wait_until(lambda: backend.num_trials == 1)
    with pytest.warns(KvzeroWarning, match="tier fake does not answer"):
        wait_until(lambda: tier.get_many(NAMESPACE, [key(1)]) == [None] and backend.num_trials > 1)
    tier.close()
    assert backend.num_look_ups == 0


def test_what_does_not_fit_the_queue_or_is_too_long_is_dropped_and_counted(tier: Tier, backend: FakeBackend) -> None:
    backend.flows.clear()
    tier.set_many(NAMESPACE, entries(*range(20)))
    tier.set_many(NAMESPACE, entries(30, num_bytes=101))
    assert stats(tier).dropped == {"queue": 10, "oversize": 1, "sick": 0}
    backend.flows.set()
    wait_until(lambda: stats(tier).written == 10)
    assert backend.frames.keys() == {key(number) for number in range(10)}


def test_closing_writes_what_is_waiting(backend: FakeBackend) -> None:
    tier = StoredTier(backend, FRAMER, queue_bytes=ROOM)
    tier.set_many(NAMESPACE, entries(1, 2))
    tier.close()
    assert backend.frames.keys() == {key(1), key(2)}
    assert backend.is_closed


def test_closing_leaves_a_backend_alone_that_is_still_being_waited_for(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.01)
    tier = StoredTier(backend, FRAMER, queue_bytes=ROOM)
    backend.flows.clear()
    tier.set_many(NAMESPACE, entries(1))
    tier.close()
    assert not backend.is_closed
    backend.flows.set()


def test_writes_that_are_hardly_ever_read_are_told_of(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tier, *range(10))
    keep(tier, *range(10, 20))
    monkeypatch.setattr(module, "NUM_WRITES", 20)
    with pytest.warns(
        KvzeroWarning, match="tier fake was given more than 20 entries, of which less than 10% of the bytes"
    ):
        tier.get_many(NAMESPACE, [key(1)])


def test_writes_of_which_a_tenth_is_read_are_not_told_of(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tier, *range(10))
    tier.get_many(NAMESPACE, [key(1), key(2)])
    monkeypatch.setattr(module, "NUM_WRITES", 20)
    keep(tier, *range(10, 20))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tier.get_many(NAMESPACE, [key(3)])


@pytest.mark.parametrize(("namespace", "wrong"), [(NAMESPACE[:31], key(1)), (NAMESPACE, key(1) + b"a")])
def test_what_is_no_digest_is_refused(tier: Tier, namespace: bytes, wrong: bytes) -> None:
    with pytest.raises(CacheError, match="give a digest of 32"):
        tier.get_many(namespace, [wrong])
    with pytest.raises(CacheError, match="give a digest of 32"):
        tier.set_many(namespace, {wrong: Entry(b"", "none", ())})


def test_nothing_is_asked_for_no_keys(tier: Tier, backend: FakeBackend) -> None:
    assert tier.get_many(NAMESPACE, []) == []
    assert backend.num_look_ups == 0
