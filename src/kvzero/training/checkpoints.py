"""Checkpoints: everything that a run needs to go on as if it had never stopped, written whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from kvzero.agent import (
    CHECKPOINTS,
    AgentConfig,
    check_environment,
    load_tensors,
    load_weights,
    save_agent,
    save_weights,
)
from kvzero.errors import CheckpointError, RunError
from kvzero.replay import Replay
from kvzero.training.learner import Learner

__all__ = ["FORMAT", "Progress", "load_checkpoint", "save_checkpoint"]

FORMAT = 2
"""Format 1 lacks the observations that the normaliser has not taken in yet."""

STATE_FILE = "state.json"
UNSEEN_FILE = "unseen.safetensors"
PARTIAL = "partial_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run has come: what a checkpoint holds besides tensors."""

    env_steps: int
    """Environment steps collected."""
    updates_owed: float
    """Updates that the replay ratio still asks for."""
    seconds: float
    """Wall-clock seconds spent so far, over all sittings."""
    search_rng: dict[str, Any]
    """State of the generator that search and action draws use."""


def save_checkpoint(
    run: Path, learner: Learner, replay: Replay, progress: Progress, *, agent: AgentConfig, keep: int
) -> Path:
    """Write a checkpoint and delete all but the newest `keep`; return its folder.

    It is written under a temporary name and renamed when it is whole and on the disk. Its name counts environment
    steps and updates; one of the same name already holds the same weights and is left alone.

    Raises:
        RunError: if the disk is full or the folder cannot be written. Earlier checkpoints stay whole.
    """
    final = run / CHECKPOINTS / f"step_{progress.env_steps:010d}_{learner.num_updates:010d}"
    if final.exists():
        return final
    partial = final.with_name(f"{PARTIAL}{final.name}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _delete_partial(final.parent)
        partial.mkdir()
        _write(partial, learner, replay, progress, agent)
        _flush(partial)
        partial.rename(final)
        _flush_folder(final.parent)
        _delete_old(final.parent, keep)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise RunError(
            f"checkpoint {final} could not be written ({error}); free space or mend permissions, "
            "then go on with --resume from the checkpoint before it"
        ) from error
    return final


def load_checkpoint(folder: Path, learner: Learner, replay: Replay) -> Progress:
    """Read a checkpoint into a learner and a replay buffer of the same configuration.

    Raises:
        CheckpointError: if it is damaged, of another configuration or environment, or of a newer version of kvzero.
    """
    check_environment(folder, learner.network.spec)
    state = _read_state(folder)
    load_weights(learner.network, folder / "weights.safetensors")
    load_weights(learner.target_network, folder / "target.safetensors")
    with _damage_named(folder / "optimizer.safetensors"):
        _load_optimizer(learner, load_tensors(folder / "optimizer.safetensors"))
    with _damage_named(folder / "replay.safetensors"):
        replay.load_state_arrays(load_arrays(folder / "replay.safetensors"))
    learner.unseen = _load_unseen(folder, learner) if int(state["format"]) > 1 else []
    with _damage_named(folder / STATE_FILE):
        replay.load_rng_state(state["replay_rng"])
        learner.num_updates = int(state["updates"])
        torch.set_rng_state(torch.tensor(state["torch_rng"], dtype=torch.uint8))
        return Progress(**state["progress"])


def _write(folder: Path, learner: Learner, replay: Replay, progress: Progress, agent: AgentConfig) -> None:
    save_agent(folder, learner.network, agent)
    save_weights(learner.target_network, folder / "target.safetensors")
    save_file(_optimizer_tensors(learner), folder / "optimizer.safetensors")
    save_arrays(replay.state_arrays(), folder / "replay.safetensors")
    _save_unseen(folder, learner)
    state = {
        "format": FORMAT,
        "updates": learner.num_updates,
        "torch_rng": torch.get_rng_state().tolist(),
        "replay_rng": replay.rng_state(),
        "progress": {name: getattr(progress, name) for name in Progress.__slots__},
    }
    (folder / STATE_FILE).write_text(json.dumps(state), encoding="utf-8")


def _optimizer_tensors(learner: Learner) -> dict[str, torch.Tensor]:
    state = learner.optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value).contiguous()
        for index, entries in state.items()
        for name, value in entries.items()
    }


def _load_optimizer(learner: Learner, tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    groups = learner.optimizer.state_dict()["param_groups"]
    learner.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _save_unseen(folder: Path, learner: Learner) -> None:
    if learner.network.normaliser is not None:
        nothing = np.empty((0, *learner.network.spec.observation_shape), np.float32)
        save_arrays({"observations": np.concatenate([nothing, *learner.unseen])}, folder / UNSEEN_FILE)


def _load_unseen(folder: Path, learner: Learner) -> list[np.ndarray]:
    if learner.network.normaliser is None:
        return []
    with _damage_named(folder / UNSEEN_FILE):
        observations = load_arrays(folder / UNSEEN_FILE)["observations"]
        return [observations] if len(observations) else []


def _read_state(folder: Path) -> dict[str, Any]:
    with _damage_named(folder / STATE_FILE):
        state: dict[str, Any] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        found = int(state["format"])
    if found > FORMAT:
        raise CheckpointError(
            f"{folder} has format {found}, this kvzero reads up to {FORMAT}; install the newer version that wrote it"
        )
    return state


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error!r}); delete its checkpoint folder to fall back to the one before it"
        ) from error


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
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
