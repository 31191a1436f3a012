"""Targets, learner, collector, evaluator, checkpoints and the loop that joins them."""

from kvzero.training.allocator import keep_freed_memory
from kvzero.training.collector import Collector
from kvzero.training.config import RunConfig, ScheduleConfig
from kvzero.training.distributed import DistributedConfig
from kvzero.training.evaluate_run import Played, evaluate_run
from kvzero.training.evaluator import evaluate
from kvzero.training.export import export_run
from kvzero.training.learning import Learner, LearnerConfig, Precision, Reanalyser, ReanalysisConfig
from kvzero.training.recorder import PlayedEpisode, Recorder
from kvzero.training.results import flat_settings, read_results
from kvzero.training.session import Observer, OpenLoop, SessionResult, Trainer, follow_open_loop
from kvzero.training.storage import read_config, read_config_to_resume
from kvzero.training.train import Finished, resume, train

__all__ = [
    "Collector",
    "DistributedConfig",
    "Finished",
    "Learner",
    "LearnerConfig",
    "Observer",
    "OpenLoop",
    "Played",
    "PlayedEpisode",
    "Precision",
    "Reanalyser",
    "ReanalysisConfig",
    "Recorder",
    "RunConfig",
    "ScheduleConfig",
    "SessionResult",
    "Trainer",
    "evaluate",
    "evaluate_run",
    "export_run",
    "flat_settings",
    "follow_open_loop",
    "keep_freed_memory",
    "read_config",
    "read_config_to_resume",
    "read_results",
    "resume",
    "train",
]
