"""What rank 0 tells the others to do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from kvzero.training.ranks.replica import LearnerCopy

__all__ = ["Begin", "End", "Order", "Show", "Update"]


@dataclass(frozen=True, slots=True)
class Begin:
    """Make a learner like that of rank 0."""

    learner: LearnerCopy


@dataclass(frozen=True, slots=True)
class Show:
    """Add observations to what is normalised by."""

    observations: Shaped[np.ndarray, "env ..."]


@dataclass(frozen=True, slots=True)
class Update:
    """Make an update, from a share of a batch that comes next."""


@dataclass(frozen=True, slots=True)
class End:
    """Make no more updates."""

    outcome: Any
    """What rank 0 returns to its caller; None where it raises."""


Order = Begin | Show | Update | End
