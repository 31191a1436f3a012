"""One gradient step: its targets, its losses, its optimiser, and the EMA network that follows."""

from kvzero.training.learning.config import LearnerConfig, Precision
from kvzero.training.learning.learner import Learner
from kvzero.training.learning.targets import Targets, Unroll

__all__ = ["Learner", "LearnerConfig", "Precision", "Targets", "Unroll"]
