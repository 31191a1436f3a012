"""A run on disk: its folder, the lock that one writer holds, its checkpoints."""

from kvzero.training.storage.checkpoints import save_checkpoint
from kvzero.training.storage.contents import load_checkpoint
from kvzero.training.storage.evaluating import forget_evaluating, load_evaluating
from kvzero.training.storage.folders import (
    begin_anew,
    name_run,
    new_run,
    read_config,
    read_config_to_resume,
    write_config,
)
from kvzero.training.storage.lock import sole_writer
from kvzero.training.storage.progress import Progress

__all__ = [
    "Progress",
    "begin_anew",
    "forget_evaluating",
    "load_checkpoint",
    "load_evaluating",
    "name_run",
    "new_run",
    "read_config",
    "read_config_to_resume",
    "save_checkpoint",
    "sole_writer",
    "write_config",
]
