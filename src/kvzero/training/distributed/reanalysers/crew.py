"""The crew of reanalysers: they search while the learner makes the block of updates before, or while it waits."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kvzero.training.distributed.actors import Actors
from kvzero.training.distributed.reanalysers.figures import ReanalyserFigures
from kvzero.training.distributed.reanalysers.messages import Found, SearchOrder
from kvzero.training.distributed.weights import WeightsBoard
from kvzero.training.learning import Docket, Learner

__all__ = ["ReanalyserCrew"]


class ReanalyserCrew:
    """Serves as a `Reanalysis`: all reanalysers have their share of the rows, and are taken in together.

    The rows that a block of updates asks for are ordered when it begins, with the EMA weights of then. With no lag they
    are waited for, else taken in when the next block begins, before its own are ordered. So what is found, and the
    place where it is written, are the same at any speed.
    """

    def __init__(
        self,
        actors: Actors,
        board: WeightsBoard,
        docket: Docket,
        *,
        learner: Learner,
        has_lag: bool,
        seed_of: Callable[..., int],
        served_updates: int,
    ) -> None:
        """Go on from where so many updates were served.

        `seed_of` gives a seed for each number of updates, and for the number of a reanalyser where it is not the first.
        """
        self.served_updates = served_updates
        """Updates whose rows were searched, and have what was found; what is under way does not count."""
        self._actors = actors
        self._board = board
        self._docket = docket
        self._learner = learner
        self._has_lag = has_lag
        self._seed_of = seed_of
        self._ordered_updates = served_updates
        self._orders: dict[int, SearchOrder] = {}  # under way
        self._weights: Any = None  # that these are carried out with
        self._judged_at = 0  # updates that these have had
        self._found: dict[int, Found] = {}
        self._slowest_row_seconds = 0.0
        self._figures = ReanalyserFigures()

    def serve(self, num_updates: int, should_stop: Callable[[], bool]) -> bool:
        """Order the rows that the next `num_updates` updates ask for, and take in those that are due.

        Return whether the updates can be made now; not where `should_stop` ended the wait, which goes on next time.

        Raises:
            SearchError: if the network has diverged.
            ClusterError: if too many reanalysers were lost, or one cannot be started again.
        """
        goal = self._learner.num_updates + num_updates
        if goal > self._ordered_updates:
            if not self._take_in(should_stop):
                return False
            self._order(goal)
        return self._has_lag or self._take_in(should_stop)

    def figures(self) -> dict[str, float]:
        """Return how much of the replay was searched again, how old searches are, and how searching went."""
        return self._docket.figures() | self._figures.read(self._actors.num_restarts)

    def _order(self, goal: int) -> None:
        """Have the rows searched that updates ask for from those on that were ordered, up to this number of them."""
        learner, num_actors, since = self._learner, len(self._actors), self._ordered_updates
        batches = list(self._docket.draw(goal - since, num_shares=num_actors))
        self._board.look(learner.target_network, learner.num_updates)
        self._weights = self._board.give(learner.target_network) if batches else None
        self._judged_at = learner.num_updates
        for number in range(min(num_actors, len(batches))):
            self._orders[number] = SearchOrder(
                batches=tuple(batches[number::num_actors]),
                seed=self._seed_of(since, *([number] if number else [])),
                discount=learner.discount,
            )
            self._send(number)
        self._ordered_updates = goal

    def _send(self, number: int) -> None:
        order = self._orders[number]
        usual_seconds = order.num_rows * self._slowest_row_seconds
        self._actors.ask(number, "search", order, self._weights, usual_seconds=usual_seconds)

    def _take_in(self, should_stop: Callable[[], bool]) -> bool:
        """Write all that is found of what was ordered; return whether nothing is under way any more."""
        begun = time.monotonic()
        while (missing := self._orders.keys() - self._found.keys()) and not should_stop():
            self._found |= self._actors.hear(missing, self._send)
        self._figures.note_wait(time.monotonic() - begun)
        if missing:
            return False
        for number, order in self._orders.items():
            self._write(number, order, self._found[number])
        self._orders, self._found, self._weights = {}, {}, None
        self.served_updates = self._ordered_updates
        return True

    def _write(self, number: int, order: SearchOrder, found: Found) -> None:
        num_written = 0
        for chunks, findings in zip(order.batches, found.findings, strict=True):
            judged_at = np.full(len(chunks.places), self._judged_at)
            num_written += self._docket.write(chunks, findings, judged_at=judged_at)
        self._slowest_row_seconds = max(self._slowest_row_seconds, found.search_seconds / found.num_rows)
        self._figures.note_found(number, found, num_written=num_written)
