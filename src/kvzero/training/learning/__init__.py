"""One gradient step: its targets, its losses, its optimiser, the EMA network that follows, and reanalysis with it."""

from kvzero.training.learning.config import LearnerConfig, Precision
from kvzero.training.learning.learner import Learner
from kvzero.training.learning.ranks import Alone, Ranks
from kvzero.training.learning.reanalysis import (
    ROWS_AT_ONCE,
    Docket,
    Reanalyser,
    Reanalysis,
    ReanalysisConfig,
    RowSearch,
)
from kvzero.training.learning.targets import Targets, Unroll

__all__ = [
    "ROWS_AT_ONCE",
    "Alone",
    "Docket",
    "Learner",
    "LearnerConfig",
    "Precision",
    "Ranks",
    "Reanalyser",
    "Reanalysis",
    "ReanalysisConfig",
    "RowSearch",
    "Targets",
    "Unroll",
]
