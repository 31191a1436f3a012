"""How checkpoints come and go: written whole or not at all, the newest few kept."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from kvzero.agent import CHECKPOINTS, AgentConfig, checkpoint_name
from kvzero.errors import RunError
from kvzero.files import flush_folder
from kvzero.replay import Replay
from kvzero.training.learning import Learner
from kvzero.training.storage.contents import read_served_updates, write_contents, write_state
from kvzero.training.storage.evaluating import save_evaluating
from kvzero.training.storage.progress import Progress

__all__ = ["save_checkpoint"]

PARTIAL = "partial_"


def save_checkpoint(
    run: Path,
    learner: Learner,
    replay: Replay,
    progress: Progress,
    *,
    agent: AgentConfig,
    keep: int,
    evaluating: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write a checkpoint and delete all but the newest `keep`; return its folder.

    It is written under a temporary name and renamed when it is whole and on the disk. Its name counts environment
    steps and updates; one of the same name already holds the same tensors, and only its state is brought up to date:
    an evaluation may have been played since. Rows may have been searched again since, too; what was found is not in it,
    and it does not count it. `evaluating` are weights that are being played with, if there are any.

    Raises:
        RunError: if the disk is full or the folder cannot be written. Earlier checkpoints stay whole.
        CheckpointError: if the one of the same name is damaged.
    """
    final = run / CHECKPOINTS / checkpoint_name(progress.env_steps, learner.num_updates)
    try:
        if final.exists():
            write_state(final, learner, replay, replace(progress, served_updates=read_served_updates(final)))
        else:
            with _made_anew(final) as partial:
                write_contents(partial, learner, replay, progress, agent)
                if evaluating is not None:
                    save_evaluating(evaluating, partial)
            _delete_old(final.parent, keep)
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"checkpoint {final} could not be written ({error}); free space or mend permissions, "
            "then go on with --resume from the checkpoint before it"
        ) from error
    return final


@contextmanager
def _made_anew(final: Path) -> Iterator[Path]:
    """Give an empty folder of another name, which takes the name of `final` once it is filled and on the disk."""
    partial = final.with_name(f"{PARTIAL}{final.name}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _delete_partial(final.parent)
        partial.mkdir()
        yield partial
        _flush(partial)
        partial.rename(final)
        flush_folder(final.parent)
    except (OSError, SafetensorError):
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _delete_partial(checkpoints: Path) -> None:
    """Delete what a kill left unfinished."""
    for partial in checkpoints.glob(f"{PARTIAL}*"):
        shutil.rmtree(partial)


def _delete_old(checkpoints: Path, keep: int) -> None:
    """Delete all but the newest checkpoints, each under a partial name, so that a kill leaves no half of one."""
    for old in sorted(checkpoints.glob("step_*"))[:-keep]:
        old.rename(old.with_name(f"{PARTIAL}{old.name}"))
    _delete_partial(checkpoints)


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    flush_folder(folder)
