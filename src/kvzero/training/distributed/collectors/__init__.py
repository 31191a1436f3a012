"""Collectors in processes of Ray, for a learner in this one."""

from kvzero.training.distributed.collectors.source import Recruits

__all__ = ["Recruits"]
