"""Who does what: rank 0 runs, the others learn with it until it ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeVar

from kvzero.errors import RankError
from kvzero.processes import STOP_SIGNALS
from kvzero.training.allocator import keep_freed_memory
from kvzero.training.learning import Alone, Learner, Ranks
from kvzero.training.ranks.group import RankGroup
from kvzero.training.ranks.orders import Begin, End, Show, Update
from kvzero.training.ranks.place import Place, find_place
from kvzero.training.ranks.replica import make_learner

__all__ = ["follow_rank_0", "in_ranks"]

Outcome = TypeVar("Outcome")


def in_ranks(run: Callable[[Ranks], Outcome]) -> Outcome:
    """Run alone, or, where torchrun started several ranks, in rank 0; return its outcome in all of them.

    Raises:
        ConfigError: if what torchrun says of ranks contradicts itself.
        RankError: if another rank is gone; or in another one than rank 0, if that one raised.
        Exception: in rank 0, whatever `run` raises.
    """
    place = find_place()
    if place is None:
        return run(Alone())
    if place.rank == 0:
        with closing(RankGroup(place)) as ranks:
            return _lead(ranks, run)
    outcome: Outcome | None = follow_rank_0(place)
    if outcome is None:
        raise RankError(f"rank 0 has ended with an error, and rank {place.rank} with it; rank 0 says why")
    return outcome


def follow_rank_0(place: Place) -> Any:
    """Do in another rank what rank 0 orders, until it ends; return its outcome, None where it raised.

    Stop signals are left to rank 0, which is sent the same, and ends all ranks after the step in progress.

    Raises:
        RankError: if rank 0, or another rank, is gone.
    """
    keep_freed_memory()
    with closing(RankGroup(place)) as ranks, _deaf_to_stops():
        return _follow(ranks)


def _lead(ranks: RankGroup, run: Callable[[Ranks], Outcome]) -> Outcome:
    try:
        outcome = run(ranks)
    except RankError:  # who is left sees the connection close; who is lost would be waited for once more
        raise
    except BaseException:
        with suppress(RankError):  # the first error is what counts
            ranks.end(None)
        raise
    ranks.end(outcome)
    return outcome


def _follow(ranks: RankGroup) -> Any:
    learner: Learner | None = None
    while True:
        match ranks.await_order():
            case Begin(found):
                learner = make_learner(found, ranks)
                ranks.meet()
            case Show(observations) if learner is not None:
                learner.show(observations)
                learner.take_in()
            case Update() if learner is not None:
                learner.update(ranks.await_share())
            case End(outcome):
                return outcome


@contextmanager
def _deaf_to_stops() -> Iterator[None]:
    """Inside the block, ignore what rank 0 heeds; elsewhere than in the main thread nobody is sent signals."""
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in STOP_SIGNALS} if is_main else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
