"""What a checkpoint holds, for a run to go on as if it had never stopped: tensors as safetensors, the rest as JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from kvzero.agent import (
    AgentConfig,
    check_environment,
    load_tensors,
    load_weights,
    save_agent,
    save_tensors,
    save_weights,
)
from kvzero.errors import CheckpointError
from kvzero.files import load_arrays, save_arrays, write_atomically
from kvzero.replay import Replay
from kvzero.training.learning import Learner
from kvzero.training.storage.progress import Progress, read_progress
from kvzero.training.storage.saved_arrays import list_arrays

__all__ = ["FORMAT", "load_checkpoint", "read_served_updates", "write_contents", "write_state"]

FORMAT = 4
"""Format 1 lacks the observations that the normaliser has not taken in yet; formats 1 and 2 lack the last evaluation,
and hold root values of the replay, which are left alone; formats 1 to 3 lack the number type of updates, which was not
measured then."""

STATE_FILE = "state.json"
UNSEEN_FILE = "unseen.safetensors"


def write_contents(folder: Path, learner: Learner, replay: Replay, progress: Progress, agent: AgentConfig) -> None:
    """Write everything into an empty folder.

    Raises:
        OSError, SafetensorError: if it cannot be written.
    """
    save_agent(folder, learner.network, agent)
    save_weights(learner.target_network, folder / "target.safetensors")
    save_tensors(_optimizer_tensors(learner), folder / "optimizer.safetensors")
    save_arrays(replay.state_arrays(), folder / "replay.safetensors")
    write_state(folder, learner, replay, progress)


def write_state(folder: Path, learner: Learner, replay: Replay, progress: Progress) -> None:
    """Write what is no tensor, in place of what stands there, whose tensors stay.

    Raises:
        OSError, SafetensorError: if it cannot be written.
    """
    if not (folder / UNSEEN_FILE).exists():  # a new checkpoint, or one of format 1, which takes this format now
        _save_unseen(folder, learner)
    state = {
        "format": FORMAT,
        "updates": learner.num_updates,
        "number_type": learner.number_type,
        "torch_rng": torch.get_rng_state().tolist(),
        "replay_rng": replay.rng_state(),
        "shift_rng": None if learner.shift is None else learner.shift.rng_state(),
        "progress": {name: getattr(progress, name) for name in Progress.__slots__},
    }
    write_atomically(folder / STATE_FILE, json.dumps(state).encode())


def load_checkpoint(folder: Path, learner: Learner, replay: Replay) -> Progress:
    """Read a checkpoint into a learner and a replay buffer of the same configuration.

    Raises:
        CheckpointError: if it is damaged, of another configuration or environment, or of a newer version of kvzero.
    """
    check_environment(folder, learner.network.spec)
    state = _read_state(folder)
    found_format = int(state["format"])
    load_weights(learner.network, folder / "weights.safetensors")
    load_weights(learner.target_network, folder / "target.safetensors")
    with _damage_named(folder / "optimizer.safetensors"):
        _load_optimizer(learner, load_tensors(folder / "optimizer.safetensors"))
    path = folder / "replay.safetensors"
    with _damage_named(path):
        replay.load_state_arrays(list_arrays(path))
    learner.unseen = _load_unseen(folder, learner) if found_format > 1 else []
    with _damage_named(folder / STATE_FILE):
        replay.load_rng_state(state["replay_rng"])
        if learner.shift is not None:
            learner.shift.load_rng_state(state["shift_rng"])
        learner.num_updates = int(state["updates"])
        if learner.number_type is None and found_format > 3:  # it was measured, or would have been soon
            learner.number_type = state["number_type"]
        torch.set_rng_state(torch.tensor(state["torch_rng"], dtype=torch.uint8))
        return read_progress(state["progress"], found_format=found_format)


def read_served_updates(folder: Path) -> int:
    """Return for how many updates the rows were searched again that a checkpoint holds.

    Raises:
        CheckpointError: if it is damaged, or of a newer version of kvzero.
    """
    state = _read_state(folder)
    with _damage_named(folder / STATE_FILE):
        return int(state["progress"].get("served_updates", 0))  # as Progress has it, which older ones lack


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
    learner.load_moments(state)


def _save_unseen(folder: Path, learner: Learner) -> None:
    if learner.network.normaliser is not None:
        spec = learner.network.spec
        nothing = np.empty((0, *spec.observation_shape), spec.observation_dtype)
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
