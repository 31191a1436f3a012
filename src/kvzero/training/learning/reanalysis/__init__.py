"""Reanalysis: old rows of the replay are searched again, and get the new policies and values."""

from kvzero.training.learning.reanalysis.config import ReanalysisConfig
from kvzero.training.learning.reanalysis.docket import Docket
from kvzero.training.learning.reanalysis.reanalyser import Reanalyser, Reanalysis
from kvzero.training.learning.reanalysis.row_search import ROWS_AT_ONCE, RowSearch

__all__ = ["ROWS_AT_ONCE", "Docket", "Reanalyser", "Reanalysis", "ReanalysisConfig", "RowSearch"]
