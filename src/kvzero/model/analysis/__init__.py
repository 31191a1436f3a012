"""What a network is measured for beside its predictions: how much of it is in use, and what shifted windows cost."""

from kvzero.model.analysis.activity import UnitActivity, rank_shares
from kvzero.model.analysis.shift_error import ShiftError, shift_error

__all__ = ["ShiftError", "UnitActivity", "rank_shares", "shift_error"]
