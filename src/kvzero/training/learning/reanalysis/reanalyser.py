"""Reanalysis: old rows of the replay are searched again with the EMA network, and get its policies and values."""

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from kvzero.agent import AgentConfig, result_namespace
from kvzero.cache import ResultCache
from kvzero.replay import Chunks, Replay
from kvzero.training.learning.learner import Learner
from kvzero.training.learning.reanalysis.docket import Docket
from kvzero.training.learning.reanalysis.reuse import Judged, Source, make_reuse
from kvzero.training.learning.reanalysis.row_search import RowSearch

__all__ = ["Reanalyser", "Reanalysis"]


@runtime_checkable  # the shape checks of the test session ask isinstance
class Reanalysis(Protocol):
    """What the loop asks of whoever searches rows again (MuZero Reanalyse, Schrittwieser et al. 2021).

    Rows are written between blocks of updates alone. So every batch of a block sees the same rows, however early it is
    drawn, and nothing depends on how fast anything runs. All that a resumed run needs is `served_updates`; which rows
    are next stands in the rows themselves.
    """

    served_updates: int
    """Updates whose rows were searched, and have what was found."""

    def serve(self, num_updates: int, should_stop: Callable[[], bool]) -> bool:
        """Have the rows searched that the next `num_updates` updates ask for, as far as that has not been done.

        Return whether these can be made now; not where `should_stop` ended a wait.

        Raises:
            SearchError: if the network has diverged.
            ClusterError: if what searches elsewhere is lost.
        """
        ...

    def figures(self) -> dict[str, float]:
        """Return how much of the replay was searched again, how old searches are, and what this cost since last time.

        Of a replay without steps, only what it cost.
        """
        ...


class Reanalyser:
    """Searches the rows again that were judged longest ago, in this process, before the block of updates begins."""

    def __init__(
        self,
        learner: Learner,
        replay: Replay,
        agent: AgentConfig,
        *,
        num_rows: int,
        seed_of: Callable[[int], int],
        results: ResultCache | None = None,
    ) -> None:
        """Search `num_rows` rows per update, as `RowSearch` does with this agent.

        `seed_of` gives a seed for each number of updates, from which ties are broken and actions are sampled.
        What is in `results` already is not searched: exactly the same where they are exact, else what was found
        `max_age_updates` ago at most.

        Raises:
            ConfigError: if there are `results`, but roots depend on more than weights and history.
        """
        self.served_updates = 0
        """Updates that rows were searched for so far."""
        self._learner = learner
        self._docket = Docket(learner, replay, num_rows=num_rows)
        self._seed_of = seed_of
        self._rows = RowSearch(learner.target_network, agent)
        self._results = results
        self._reuse = None
        if results is not None:
            history_steps = learner.target_network.config.layout.history_steps
            self._reuse = make_reuse(results, self._rows.form, history_steps=history_steps)
            self._source()  # refuses what cannot be
        self._seconds = 0.0  # since figures were last asked for
        self._num_searched = 0  # likewise
        self._reused_ages: list[np.ndarray] = []  # likewise

    def serve(self, num_updates: int, should_stop: Callable[[], bool]) -> bool:
        """Search the rows that the next `num_updates` updates ask for; they can be made then, nothing is waited for.

        Raises:
            SearchError: if the network has diverged.
        """
        goal = self._learner.num_updates + num_updates
        if goal <= self.served_updates:
            return True
        started = time.perf_counter()
        self._rows.set_discount(self._learner.discount)
        rng = np.random.default_rng(self._seed_of(self.served_updates))
        for some in self._docket.draw(goal - self.served_updates):
            judged = self._judge(some, rng)
            self._docket.write(some, judged.findings, judged_at=self._learner.num_updates - judged.ages)
            self._num_searched += int(np.count_nonzero(~judged.is_reused))
            self._reused_ages.append(judged.ages[judged.is_reused])
        self.served_updates = goal
        self._seconds += time.perf_counter() - started
        return True

    def figures(self) -> dict[str, float]:
        """Return how much of the replay was searched again, how old searches are, and what this cost since last time.

        Of a replay without steps, only what it cost.
        """
        cost = {
            "reanalysis/rows": float(self._num_searched),
            "reanalysis/seconds": self._seconds,
        } | self._reuse_figures()
        self._num_searched, self._seconds, self._reused_ages = 0, 0.0, []
        return self._docket.figures() | cost

    def _reuse_figures(self) -> dict[str, float]:
        """Return what was not searched, how old it was, and what the cache counts; nothing where nothing is reused."""
        if self._results is None:
            return {}
        ages = np.concatenate([np.zeros(0, np.int64), *self._reused_ages])
        figures = {"reanalysis/reused_rows": float(len(ages))}
        if len(ages):
            figures |= {
                "reanalysis/reused_age_mean": float(ages.mean()),
                "reanalysis/reused_age_max": float(ages.max()),
            }
        return figures | {f"results/{name}": figure for name, figure in self._results.figures().items()}

    def _source(self) -> Source:
        agent = self._rows.agent.with_discount(self._learner.discount)
        namespace = result_namespace(self._rows.network, agent, self._rows.engine_name, is_drawn=True)
        return Source(namespace, self._learner.num_updates, self._rows.search)

    def _judge(self, chunks: Chunks, rng: np.random.Generator) -> Judged:
        """Return what a search finds below the roots of some chunks, from earlier ones where that will do."""
        if self._reuse is not None:
            return self._reuse.judge(chunks, rng, self._source())
        num_roots = len(chunks.places)
        return Judged(self._rows.search(chunks, rng), np.zeros(num_roots, np.int64), np.zeros(num_roots, np.bool_))
