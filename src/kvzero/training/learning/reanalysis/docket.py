"""The docket of reanalysis: which rows are to be judged next, and what a search of them leaves in the replay."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64

from kvzero.agent import Findings
from kvzero.replay import Chunks, Replay
from kvzero.training.learning.learner import Learner
from kvzero.training.learning.reanalysis.row_search import ROWS_AT_ONCE

__all__ = ["Docket"]


class Docket:
    """The rows that were judged longest ago come first, so many for each update."""

    def __init__(self, learner: Learner, replay: Replay, *, num_rows: int) -> None:
        """Have `num_rows` judged per update."""
        self._learner = learner
        self._replay = replay
        self._num_rows = num_rows

    def draw(self, num_updates: int, *, num_shares: int = 1) -> Iterator[Chunks]:
        """Yield the rows that so many updates ask for, `ROWS_AT_ONCE` together, fewer where that leaves a share empty.

        Rows that weights of as many updates have judged are left alone, the newest ones always, even if fewer than
        asked for are yielded then. As `Replay.to_judge`.
        """
        num_rows = self._num_rows * num_updates
        return self._replay.to_judge(
            num_rows,
            before=self._learner.num_updates,
            context_steps=self._learner.target_network.config.layout.history_steps,
            rows_at_once=min(ROWS_AT_ONCE, -(-num_rows // num_shares)),
        )

    def write(self, chunks: Chunks, findings: Findings, *, judged_at: Int64[np.ndarray, " root"]) -> int:
        """Write what weights of so many updates found; return how many of the rows are still held, and got it."""
        sets = {} if findings.action_sets is None else {"action_sets": findings.action_sets}
        return self._replay.judge(
            chunks,
            {"policies": findings.policy, "search_values": findings.values, "judged_at": judged_at, **sets},
        )

    def figures(self) -> dict[str, float]:
        """Return how much of the replay was searched again, and how old searches are; nothing without steps."""
        judged_at = self._replay.steps_of("judged_at")
        if not len(judged_at):
            return {}
        return {
            "reanalysis/share": float(np.mean(judged_at > self._replay.steps_of("collected_at"))),
            "reanalysis/age_updates": float(self._learner.num_updates - judged_at.mean()),
        }
