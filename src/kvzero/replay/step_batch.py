"""One step of all environments as it is handed on, and the protocol of whatever takes it in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

__all__ = ["StepBatch", "StepSink"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBatch:
    """What was seen, done and found in one step of all environments, environments first.

    Shapes and types are those of the sink's `RowSpec`. They are not promised here: the arrays come from the user's
    environment, and the sink refuses what does not fit.
    """

    fields: Mapping[str, np.ndarray]
    """`[env, ...]`, by the names in `RowSpec`: what was acted on, what was done there, and what came of it."""

    terminated: np.ndarray
    """bool `[env]`, whether the step ended its episode for good; wins over `truncated`."""

    truncated: np.ndarray
    """bool `[env]`, whether the step was the last for another reason."""

    final_observations: np.ndarray
    """Like the observations, what the step led to; matters where the episode ended."""


@runtime_checkable
class StepSink(Protocol):
    """What a collector asks of whatever it collects for."""

    def add(self, batch: StepBatch) -> None:
        """Take in one step of all environments.

        Raises:
            EnvError: if it cannot be learnt from.
        """
