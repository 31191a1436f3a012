"""Trials: which engine `auto` takes where nobody knows in advance, found out by searching a sample with each."""

from kvzero.engines.trials.fastest import Candidate, Choice, Trial, Verdict, choose_fastest
from kvzero.engines.trials.settle import settle_engine

__all__ = ["Candidate", "Choice", "Trial", "Verdict", "choose_fastest", "settle_engine"]
