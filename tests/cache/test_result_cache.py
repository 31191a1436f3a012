"""Results come back as they were written, from memory or a tier, or not at all; memory is bounded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cache.test_namespace import NAMESPACE

from kvzero.cache import ResultCache
from kvzero.cache.tiers import Entry, TierStats
from kvzero.errors import CacheError, ConfigError

FORM = np.dtype([("chosen", "<i8"), ("policy", "<f8", (3,))])
OTHER = replace(NAMESPACE, model="other")
ENTRY = FORM.itemsize + 300


class DictTier:
    """A tier in memory, of which tests see and change what it holds."""

    def __init__(self) -> None:
        self.entries: dict[tuple[bytes, bytes], Entry] = {}
        self.asked = 0

    def get_many(self, namespace: bytes, keys: Sequence[bytes]) -> list[Entry | None]:
        self.asked += len(keys)
        return [self.entries.get((namespace, key)) for key in keys]

    def set_many(self, namespace: bytes, entries: Mapping[bytes, Entry]) -> None:
        for key, entry in entries.items():
            self.entries.setdefault((namespace, key), entry)

    def drop(self, keys: Sequence[bytes]) -> None:
        self.entries = {place: entry for place, entry in self.entries.items() if place[1] not in keys}

    def stats(self) -> dict[str, TierStats]:
        return {}

    def close(self) -> None:
        pass


def history(number: int) -> bytes:
    return sha256(bytes([number])).digest()


def key(number: int) -> bytes:
    return NAMESPACE.key(history(number))


def records(*numbers: int) -> np.ndarray:
    found = np.zeros(len(numbers), FORM)
    found["chosen"] = numbers
    found["policy"] = np.array(numbers, float)[:, None] / [1, 3, 7]
    return found


def read(cache: ResultCache, *numbers: int, namespace=NAMESPACE) -> dict[int, np.void]:
    found = np.zeros(len(numbers), FORM)
    found_in = cache.read_into(found, [history(number) for number in numbers], namespace)
    return {number: record for number, record, index in zip(numbers, found, found_in, strict=True) if index == 0}


def write(cache: ResultCache, *numbers: int) -> None:
    cache.write(records(*numbers), [history(number) for number in numbers], NAMESPACE, seconds=6.0)


def test_what_was_written_is_read_bit_for_bit():
    cache = ResultCache()
    write(cache, 1, 2, 3)
    found = read(cache, 2, 9, 3)
    assert list(found) == [2, 3]
    np.testing.assert_array_equal(np.array(list(found.values())), records(2, 3))
    assert (cache.figures()["hits"], cache.figures()["misses"], cache.figures()["hit_rate"]) == (2, 1, 2 / 3)


def test_what_is_read_is_a_copy():
    cache = ResultCache()
    write(cache, 1)
    read(cache, 1)[1]["policy"][:] = 0
    np.testing.assert_array_equal(read(cache, 1)[1], records(1)[0])


def test_other_processes_find_results_in_a_tier_and_keep_them():
    tier = DictTier()
    write(ResultCache(tier=tier), 1, 2, 3)
    assert {entry.seconds for entry in tier.entries.values()} == {2.0}
    cache = ResultCache(tier=tier)
    assert list(read(cache, 1, 9)) == [1]
    assert tier.asked == 2
    assert list(read(cache, 1)) == [1]
    assert tier.asked == 2
    assert cache.figures()["tier_hits"] == 1


def test_another_namespace_finds_nothing():
    cache = ResultCache(tier=DictTier())
    write(cache, 1)
    assert read(cache, 1, namespace=OTHER) == {}


@pytest.mark.parametrize("tier", [None, DictTier()], ids=["memory", "tier"])
def test_of_several_namespaces_the_first_that_knows_is_told(tier):
    writer = ResultCache(tier=tier)
    write(writer, 1, 2)
    writer.write(records(5, 6), [history(2), history(3)], OTHER)
    cache, found = (writer if tier is None else ResultCache(tier=tier)), np.zeros(4, FORM)
    found_in = cache.read_into(found, [history(number) for number in (1, 2, 3, 4)], OTHER, NAMESPACE)
    assert (found_in.tolist(), found["chosen"].tolist()) == ([1, 0, 0, -1], [1, 5, 6, 0])
    assert (cache.figures()["hits"], cache.figures()["misses"]) == (3, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"payload": b"x" * (FORM.itemsize - 1)},
        {"payload": b""},
        {"payload": b"x" * FORM.itemsize * 2},
        {"shape": (FORM.itemsize, 1)},
        {"shape": (2**63,)},
        {"codec": "int8"},
    ],
    ids=str,
)
def test_what_has_another_form_is_a_miss_and_makes_room(change):
    tier = DictTier()
    write(ResultCache(tier=tier), 1, 2)
    place = NAMESPACE.digest, key(1)
    tier.entries[place] = replace(tier.entries[place], **change)
    cache = ResultCache(tier=tier)
    assert list(read(cache, 1, 2)) == [2]
    assert place not in tier.entries
    assert cache.figures()["misfits"] == 1
    write(cache, 1)
    assert list(read(ResultCache(tier=tier), 1)) == [1]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=30), st.integers(1, 4))
def test_memory_keeps_the_entries_used_last(steps, most):
    """The twin is a list of what was used, the oldest first."""
    cache, twin = ResultCache(max_bytes=most * ENTRY), []
    for is_write, number in steps:
        if is_write:
            write(cache, number)
        else:
            assert (number in read(cache, number)) == (number in twin)
        if is_write or number in twin:
            twin = [*(other for other in twin if other != number), number][-most:]
        assert len(cache) == len(twin)
        assert cache.nbytes == len(twin) * ENTRY <= cache.max_bytes


def test_a_result_larger_than_memory_is_in_the_tier_alone():
    cache = ResultCache(max_bytes=ENTRY - 1, tier=DictTier())
    write(cache, 1)
    assert (len(cache), cache.nbytes, list(read(cache, 1))) == (0, 0, [1])


def test_of_two_results_of_one_key_the_first_stays():
    cache = ResultCache()
    write(cache, 1)
    cache.write(records(2), [history(1)], NAMESPACE)
    assert read(cache, 1)[1]["chosen"] == 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ResultCache(max_bytes=0), "max_bytes is 0; give at least 1"),
        (lambda: ResultCache(max_age_updates=-1), "max_age_updates is -1; give at least 0"),
    ],
)
def test_bounds_that_cannot_be_are_refused(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


@pytest.mark.parametrize(
    ("given_records", "says"),
    [
        (records(1, 2), "there are 1 histories for 2 results; give one for each"),
        (np.zeros(1), "results are float64; give records of numbers"),
        (np.zeros(1, [("it", object)]), "give records of numbers"),
    ],
    ids=["uneven", "plain", "objects"],
)
def test_what_is_no_result_is_refused(given_records, says):
    with pytest.raises(CacheError, match=says):
        ResultCache().write(given_records, [history(1)], NAMESPACE)
    with pytest.raises(CacheError, match=says):
        ResultCache().read_into(given_records, [history(1)], NAMESPACE)


def test_what_was_counted_is_told_in_lines_beside_those_of_tiers() -> None:
    tier = DictTier()
    cache = ResultCache(tier=tier)
    write(cache, 1, 2)
    read(cache, 1, 3)
    line = "hits=1, misses=1, tier_hits=0, evictions=0, entries=2, hit_rate=50.0%"
    assert cache.get_stats_summary() == {"results": line, "tiers": {}}
