"""The evaluation that was being played beside training when a checkpoint was written: its weights, while it is due."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kvzero.agent import CHECKPOINTS, load_tensors
from kvzero.errors import RunError
from kvzero.files import save_arrays, write_atomically
from kvzero.training.storage.contents import STATE_FILE

__all__ = ["forget_evaluating", "load_evaluating", "save_evaluating"]

EVALUATING_FILE = "evaluating.safetensors"
WEIGHTS_FILE = "weights.safetensors"


def save_evaluating(weights: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the weights that are playing into the folder of a checkpoint in the making."""
    save_arrays(dict(weights), folder / EVALUATING_FILE)


def load_evaluating(folder: Path) -> dict[str, np.ndarray]:
    """Return the weights that were playing when a checkpoint was written: its own, where it has no others.

    Raises:
        CheckpointError: if the file is damaged.
    """
    path = folder / EVALUATING_FILE
    tensors = load_tensors(path if path.exists() else folder / WEIGHTS_FILE)
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def forget_evaluating(run: Path, env_steps: int) -> None:
    """Note in every checkpoint that the evaluation which was due after so many environment steps has been played.

    Raises:
        RunError: if the disk is full or the folder cannot be written.
    """
    for folder in (run / CHECKPOINTS).glob("step_*"):
        path = folder / STATE_FILE
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            evaluating = state["progress"].get("evaluating")
            if evaluating is not None and evaluating["env_steps"] == env_steps:
                state["progress"]["evaluating"] = None
                write_atomically(path, json.dumps(state).encode())
                (folder / EVALUATING_FILE).unlink(missing_ok=True)
        except OSError as error:
            raise RunError(
                f"{path} could not be brought up to date ({error}); free space or mend permissions, "
                "then go on with --resume"
            ) from error
