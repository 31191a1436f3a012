"""The ledger of roots against a twin of one Python object per root, and what its refusals say."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvzero.cache.ledger import RootLedger
from kvzero.errors import StaleContextError

NUM_ENVS = 5
EVERYONE = np.arange(NUM_ENVS)
VERSIONS = range(4)
ENVS = st.lists(st.integers(0, NUM_ENVS - 1), min_size=1, unique=True)
MOVE = st.tuples(
    st.sampled_from(["record", "record", "forget", "lose", "search", "search"]), ENVS, st.sampled_from(VERSIONS)
)


@dataclass
class Root:
    """An episode's root: its tokens, and the weights that made it; None once it was lost."""

    length: int
    made_by: int | None


@dataclass
class Twin:
    """What the ledger should know."""

    roots: dict[int, Root] = field(default_factory=dict)
    open_search: int | None = None

    def is_stale(self, env: int, version: int) -> bool:
        return env in self.roots and self.roots[env].made_by != version

    def can_search(self, envs: list[int], version: int) -> bool:
        return all(env in self.roots and self.roots[env].made_by == version for env in envs)


def move_on(ledger: RootLedger, twin: Twin, move: str, envs: list[int], version: int) -> None:
    """Make one move in both."""
    rows = np.array(envs)
    if move == "record":
        lengths = rows * 2 + version * 10 + 1
        ledger.record(rows, version, lengths)
        twin.roots |= {env: Root(int(length), version) for env, length in zip(envs, lengths, strict=True)}
        twin.open_search = None
    elif move == "forget":
        ledger.forget(rows)
        for env in envs:
            twin.roots.pop(env, None)
        twin.open_search = None
    elif move == "lose" and envs[0] in twin.roots:
        ledger.lose(envs[0])
        twin.roots[envs[0]].made_by = None
    elif move == "search" and twin.can_search(envs, version):
        twin.open_search = ledger.begin_search(rows, version)
    elif move == "search":
        with pytest.raises(StaleContextError):
            ledger.begin_search(rows, version)


def refuses(check, *arguments) -> bool:
    try:
        check(*arguments)
    except StaleContextError:
        return True
    return False


@given(st.lists(MOVE, max_size=30))
def test_any_life_of_a_ledger_equals_that_of_single_roots(moves):
    ledger, twin, searches = RootLedger(NUM_ENVS), Twin(), set()
    for move in moves:
        move_on(ledger, twin, *move)
        if twin.open_search is not None:
            searches.add(twin.open_search)
        assert [number for number in searches if not refuses(ledger.refuse_over, number)] == (
            [] if twin.open_search is None else [twin.open_search]
        )
        assert ledger.lengths(EVERYONE).tolist() == [
            twin.roots[env].length if env in twin.roots else -1 for env in range(NUM_ENVS)
        ]
        assert ledger.has_root(EVERYONE).tolist() == [env in twin.roots for env in range(NUM_ENVS)]
        for version in VERSIONS:
            stale = [twin.is_stale(env, version) for env in range(NUM_ENVS)]
            assert ledger.is_stale(EVERYONE, version).tolist() == stale
            assert refuses(ledger.refuse_stale, EVERYONE, version) == any(stale)


def test_a_refusal_names_the_stale_roots_alone_and_those_that_were_lost():
    ledger = RootLedger(NUM_ENVS)
    ledger.record(np.array([4, 0, 2]), 7, np.array([1, 3, 5]))
    with pytest.raises(StaleContextError, match=r"environments \[2, 0\] were made by weights \[7, 7\], not by .* 8"):
        ledger.refuse_stale(np.array([2, 1, 0]), 8)
    ledger.lose(0)
    with pytest.raises(
        StaleContextError, match=r"\[0\] were made by weights \[-1\] \(those of \[0\] are no longer held"
    ):
        ledger.refuse_stale(EVERYONE, 7)


def test_a_search_below_nothing_is_refused_and_leaves_the_one_before_open():
    ledger = RootLedger(NUM_ENVS)
    ledger.record(EVERYONE[:2], 7, np.array([1, 3]))
    search = ledger.begin_search(EVERYONE[:2], 7)
    with pytest.raises(StaleContextError, match=r"environments \[3, 2\] have no root; observe them first"):
        ledger.begin_search(np.array([3, 0, 2]), 7)
    ledger.refuse_over(search)


def test_a_root_that_is_forgotten_is_not_stale_but_still_known_by_who_made_it():
    ledger = RootLedger(NUM_ENVS)
    ledger.record(EVERYONE, 7, np.full(NUM_ENVS, 3))
    ledger.forget(EVERYONE[:1])
    assert not ledger.is_stale(EVERYONE[:1], 8).any()
    assert ledger.is_made_by(EVERYONE, 7).all()


def test_lengths_that_were_read_are_not_changed_by_what_is_recorded_later():
    ledger = RootLedger(NUM_ENVS)
    before = ledger.lengths(EVERYONE)
    ledger.record(EVERYONE, 7, np.full(NUM_ENVS, 3))
    assert before.tolist() == [-1] * NUM_ENVS
