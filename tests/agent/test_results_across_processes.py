"""Two processes train, publish, resume and look up; whatever is found was made by exactly the reader's weights."""

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.agent.peer import Peer

from kvzero.processes import RemoteObject

PLAYS = st.lists(st.integers(0, 1), min_size=1, max_size=3)
Peers = list[RemoteObject[Peer]]


@pytest.fixture(scope="module")
def peers(tmp_path_factory) -> Iterator[Peers]:
    """Return two processes; they are begun together, as that takes seconds."""
    folder = tmp_path_factory.mktemp("first")
    begun = [
        RemoteObject(partial(Peer, seed, folder), name=f"peer {seed}", num_threads=1, end_seconds=1.0)
        for seed in range(2)
    ]
    for each in begun:
        each.receive()
    yield begun
    for each in begun:
        each.close()


class Lookups(RuleBasedStateMachine):
    """Whatever happens to one peer, something like it happens to the other, so that their versions are equal."""

    peers: Peers
    folders: Iterator[Path]

    def __init__(self) -> None:
        super().__init__()
        self.made: set[tuple[str, tuple[int, ...]]] = set()
        """Weights, and what was seen, of all that was searched."""
        self.is_published = False
        self.num_found = 0

    @initialize()
    def begin(self) -> None:
        folder = next(self.folders)
        for seed, each in enumerate(self.peers):
            each.call(Peer.begin, seed, folder)

    @rule(seeds=st.tuples(st.integers(0, 1), st.integers(0, 1)))
    def train(self, seeds: tuple[int, int]) -> None:
        for each, seed in zip(self.peers, seeds, strict=True):
            each.call(Peer.train, seed)

    @rule(who=st.integers(0, 1))
    def publish(self, who: int) -> None:
        self.peers[who].call(Peer.publish)
        self.is_published = True

    @precondition(lambda self: self.is_published)
    @rule(who=st.integers(0, 1))
    def resume(self, who: int) -> None:
        self.peers[who].call(Peer.resume, published=True)
        self.peers[1 - who].call(Peer.resume, published=False)

    @rule(who=st.integers(0, 1))
    def forget(self, who: int) -> None:
        self.peers[who].call(Peer.forget)

    @rule(looks=PLAYS)
    def play(self, looks: list[int]) -> None:
        versions = [self.look_up(each, looks) for each in self.peers]
        assert versions[0] == versions[1]

    def look_up(self, peer: RemoteObject[Peer], looks: list[int]) -> int:
        """Hold all that a peer finds against what was made so far; return the version of its weights."""
        version, weights, steps = peer.call(Peer.play, looks)
        for place, (is_found, found, should_be) in enumerate(steps):
            made = weights, tuple(looks[: place + 1])
            assert is_found == (made in self.made)
            assert found == should_be
            self.made.add(made)
        return version


def machine(peers: Peers, folder: Path) -> type[Lookups]:
    Lookups.peers, Lookups.folders = peers, (folder / str(number) for number in count())
    return Lookups


def test_every_hit_was_made_by_exactly_the_readers_weights(peers, tmp_path):
    chosen = settings(max_examples=15, stateful_step_count=12)
    run_state_machine_as_test(machine(peers, tmp_path), settings=chosen)


def story(peers: Peers, folder: Path) -> Lookups:
    """Let one train, publish and play, and the other resume and play: counters are equal all the time."""
    told = machine(peers, folder)()
    told.begin()
    told.play([0, 1])
    told.train((0, 1))
    told.publish(0)
    told.play([0, 1])
    told.resume(1)
    told.forget(1)
    told.play([0, 1])
    return told


def test_what_one_process_published_and_searched_another_finds(peers, tmp_path):
    """Four weights searched two roots each; the last play, with weights that had been there, searched nothing."""
    assert len(story(peers, tmp_path).made) == 4 * 2


def test_a_counter_for_an_identity_is_found_out(peers, tmp_path):
    """Keys of versions, which two processes share by chance, break the story; last, as it spoils the processes."""
    for each in peers:
        each.call(Peer.name_by_version)
    with pytest.raises(AssertionError):
        story(peers, tmp_path)
