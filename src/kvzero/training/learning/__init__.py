"""One gradient step: its targets, its losses, its optimiser, the EMA network that follows, and reanalysis with it."""

from kvzero.training.learning.config import LearnerConfig, Precision
from kvzero.training.learning.docket import Docket
from kvzero.training.learning.learner import Learner
from kvzero.training.learning.ranks import Alone, Ranks
from kvzero.training.learning.reanalyser import Reanalyser, Reanalysis
from kvzero.training.learning.reanalysis_config import ReanalysisConfig
from kvzero.training.learning.row_search import ROWS_AT_ONCE, RowSearch
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
