"""Targets, learner, collector, evaluator, checkpoints and the loop that joins them."""

from kvzero.training.allocator import keep_freed_memory
from kvzero.training.collector import Collector
from kvzero.training.config import LearnerConfig, RunConfig, ScheduleConfig
from kvzero.training.evaluate_run import Played, evaluate_run
from kvzero.training.evaluator import evaluate
from kvzero.training.folders import read_config
from kvzero.training.learner import Learner
from kvzero.training.train import Finished, resume, train
from kvzero.training.trainer import Result, Trainer

__all__ = [
    "Collector",
    "Finished",
    "Learner",
    "LearnerConfig",
    "Played",
    "Result",
    "RunConfig",
    "ScheduleConfig",
    "Trainer",
    "evaluate",
    "evaluate_run",
    "keep_freed_memory",
    "read_config",
    "resume",
    "train",
]
