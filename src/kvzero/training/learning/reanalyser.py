"""Reanalysis: old rows of the replay are searched again with the EMA network, and get its policies and values."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kvzero.agent import AgentConfig, open_engine
from kvzero.engines import Past
from kvzero.replay import Chunks, Replay
from kvzero.search import Outcome
from kvzero.training.learning.learner import Learner

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
        self, learner: Learner, replay: Replay, agent: AgentConfig, *, num_rows: int, seed_of: Callable[[int], int]
    ) -> None:
        """Search `num_rows` rows per update, as `agent` searches when it collects, but without noise on root priors.

        Noise is there to make a collector try what the policy would not; in a target it would only blur what was
        found. `seed_of` gives a seed for each number of updates, from which ties are broken and actions are sampled.
        """
        self.served_updates = 0
        """Updates that rows were searched for so far."""
        self._learner = learner
        self._replay = replay
        self._num_rows = num_rows
        self._seed_of = seed_of
        self._network = learner.target_network
        self._engine = open_engine(
            self._network, replace(agent, search=agent.search.without_noise()), num_envs=ROWS_AT_ONCE
        )
        self._seconds = 0.0  # since figures were last asked for
        self._num_searched = 0  # likewise

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
            self._replay.judge(some, self._fields(self._search(some, rng)))
            self._num_searched += len(some.places)
        self.served_updates = goal
        self._seconds += time.perf_counter() - started

    def figures(self) -> dict[str, float]:
        """Return how much of the replay was searched again, how old searches are, and what this cost since last time.

        Of a replay without steps, only what it cost.
        """
        cost = {"reanalysis/rows": float(self._num_searched), "reanalysis/seconds": self._seconds}
        self._num_searched, self._seconds = 0, 0.0
        judged_at = self._replay.steps_of("judged_at")
        if not len(judged_at):
            return cost
        return {
            "reanalysis/share": float(np.mean(judged_at > self._replay.steps_of("collected_at"))),
            "reanalysis/age_updates": float(self._learner.num_updates - judged_at.mean()),
            **cost,
        }

    def _search(self, chunks: Chunks, rng: np.random.Generator) -> Outcome:
        envs = np.arange(len(chunks.places))
        fields = chunks.fields
        self._engine.rebuild_along(
            envs, Past(fields["observations"], fields["actions"][:, :-1], chunks.is_valid), chunks.is_root
        )
        if self._network.spec.is_continuous:
            masks = np.ones((len(envs), 0), bool)
        else:
            masks = fields["action_masks"][chunks.is_root]
        return self._engine.search(envs, masks, rng=rng)

    def _fields(self, outcome: Outcome) -> dict[str, np.ndarray]:
        """Return what a row keeps of a search."""
        sets = {} if outcome.action_sets is None else {"action_sets": outcome.action_sets[:, 0]}
        return {
            "policies": outcome.policy,
            "search_values": outcome.values,
            "judged_at": np.full(len(outcome.values), self._learner.num_updates),
            **sets,
        }
