"""Reanalysers in processes of Ray, for a learner in this one."""

from kvzero.training.distributed.reanalysers.crew import ReanalyserCrew
from kvzero.training.distributed.reanalysers.remote import RemoteReanalyser

__all__ = ["ReanalyserCrew", "RemoteReanalyser"]
