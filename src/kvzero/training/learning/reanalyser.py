"""Reanalysis: old rows of the replay are searched again with the EMA network, and get its policies and values."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kvzero.agent import AgentConfig, Findings, open_engine, result_namespace
from kvzero.cache import ResultCache
from kvzero.engines import Past
from kvzero.replay import Chunks, Replay
from kvzero.training.learning.learner import Learner
from kvzero.training.learning.reuse import Judged, Source, make_reuse

__all__ = ["ROWS_AT_ONCE", "Reanalyser"]

ROWS_AT_ONCE = 64
"""Rows that are searched together."""


class Reanalyser:
    """Searches the rows again that were judged longest ago (MuZero Reanalyse, Schrittwieser et al. 2021).

    It works between blocks of updates, for all updates of the next block at once. So every batch of a block sees the
    same rows, however early it is drawn, and nothing depends on how fast anything runs. All that a resumed run needs is
    `served_updates`; which rows are next stands in the rows themselves.
    """

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
        """Search `num_rows` rows per update, as `agent` searches when it collects, but without noise on root priors.

        Noise is there to make a collector try what the policy would not; in a target it would only blur what was
        found. `seed_of` gives a seed for each number of updates, from which ties are broken and actions are sampled.
        What is in `results` already is not searched: exactly the same where they are exact, else what was found
        `max_age_updates` ago at most.

        Raises:
            ConfigError: if there are `results`, but roots depend on more than weights and history.
        """
        self.served_updates = 0
        """Updates that rows were searched for so far."""
        self._learner = learner
        self._replay = replay
        self._num_rows = num_rows
        self._seed_of = seed_of
        self._network = learner.target_network
        self._agent = replace(agent, search=agent.search.without_noise())
        self._engine = open_engine(self._network, self._agent, num_envs=ROWS_AT_ONCE)
        self._form = Findings.form(self._network.spec, self._agent)
        self._results = results
        self._reuse = None
        if results is not None:
            self._reuse = make_reuse(results, self._form, history_steps=self._network.config.layout.history_steps)
            self._source()  # refuses what cannot be
        self._seconds = 0.0  # since figures were last asked for
        self._num_searched = 0  # likewise
        self._reused_ages: list[np.ndarray] = []  # likewise

    def serve(self, num_updates: int) -> None:
        """Search the rows that the next `num_updates` updates ask for, as far as that has not been done.

        Rows that weights of as many updates have judged are left alone, the newest ones always, even if fewer than
        asked for are searched then.

        Raises:
            SearchError: if the network has diverged.
        """
        goal = self._learner.num_updates + num_updates
        if goal <= self.served_updates:
            return
        started = time.perf_counter()
        self._engine.set_discount(self._learner.discount)
        rng = np.random.default_rng(self._seed_of(self.served_updates))
        chunks = self._replay.to_judge(
            self._num_rows * (goal - self.served_updates),
            before=self._learner.num_updates,
            context_steps=self._network.config.layout.history_steps,
            rows_at_once=ROWS_AT_ONCE,
        )
        for some in chunks:
            judged = self._judge(some, rng)
            self._replay.judge(some, self._fields(judged))
            self._num_searched += int(np.count_nonzero(~judged.is_reused))
            self._reused_ages.append(judged.ages[judged.is_reused])
        self.served_updates = goal
        self._seconds += time.perf_counter() - started

    def figures(self) -> dict[str, float]:
        """Return how much of the replay was searched again, how old searches are, and what this cost since last time.

        Of a replay without steps, only what it cost.
        """
        cost = {
            "reanalysis/rows": float(self._num_searched),
            "reanalysis/seconds": self._seconds,
        } | self._reuse_figures()
        self._num_searched, self._seconds, self._reused_ages = 0, 0.0, []
        judged_at = self._replay.steps_of("judged_at")
        if not len(judged_at):
            return cost
        return {
            "reanalysis/share": float(np.mean(judged_at > self._replay.steps_of("collected_at"))),
            "reanalysis/age_updates": float(self._learner.num_updates - judged_at.mean()),
            **cost,
        }

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
        agent = self._agent.with_discount(self._learner.discount)
        namespace = result_namespace(self._network, agent, self._engine.name, is_drawn=True)
        return Source(namespace, self._learner.num_updates, self._search)

    def _judge(self, chunks: Chunks, rng: np.random.Generator) -> Judged:
        """Return what a search finds below the roots of some chunks, from earlier ones where that will do."""
        if self._reuse is not None:
            return self._reuse.judge(chunks, rng, self._source())
        num_roots = len(chunks.places)
        return Judged(self._search(chunks, rng), np.zeros(num_roots, np.int64), np.zeros(num_roots, np.bool_))

    def _search(self, chunks: Chunks, rng: np.random.Generator) -> Findings:
        envs = np.arange(len(chunks.places))
        fields = chunks.fields
        self._engine.rebuild_along(
            envs, Past(fields["observations"], fields["actions"][:, :-1], chunks.is_valid), chunks.is_root
        )
        if self._network.spec.is_continuous:
            masks = np.ones((len(envs), 0), bool)
        else:
            masks = fields["action_masks"][chunks.is_root]
        return Findings.of(self._engine.search(envs, masks, rng=rng), self._form)

    def _fields(self, judged: Judged) -> dict[str, np.ndarray]:
        """Return what a row keeps of a search."""
        found = judged.findings
        sets = {} if found.action_sets is None else {"action_sets": found.action_sets}
        return {
            "policies": found.policy,
            "search_values": found.values,
            "judged_at": self._learner.num_updates - judged.ages,
            **sets,
        }
