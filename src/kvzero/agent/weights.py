"""Where a run, or one file, keeps an agent, its weights and what is needed to build it, and how they are read back."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file

from kvzero.agent.config import AgentConfig
from kvzero.agent.notes import read_notes, to_metadata
from kvzero.errors import CheckpointError, ConfigError, RunError
from kvzero.files import reachable, write_atomically
from kvzero.model import Network
from kvzero.records import EnvSpec, structure, unstructure

__all__ = [
    "CHECKPOINTS",
    "check_environment",
    "checkpoint_env_steps",
    "checkpoint_name",
    "load_network",
    "load_tensors",
    "load_weights",
    "newest_checkpoint",
    "read_checkpoint",
    "refuse_changed",
    "save_agent",
    "save_agent_file",
    "save_tensors",
    "save_weights",
    "whole_checkpoints",
]

Found = TypeVar("Found")

CHECKPOINTS = "checkpoints"
WEIGHTS_FILE = "weights.safetensors"
AGENT_FILE = "agent.json"


def whole_checkpoints(run: Path) -> list[Path]:
    """Return the folders of a run's whole checkpoints, the oldest first.

    A checkpoint in the making has another name, so every `step_*` folder is whole.
    """
    return sorted((run / CHECKPOINTS).glob("step_*"))


def checkpoint_name(env_steps: int, updates: int) -> str:
    """Return what a run's checkpoint is called after so many environment steps and updates; names sort as they do."""
    return f"step_{env_steps:010d}_{updates:010d}"


def checkpoint_env_steps(checkpoint: Path) -> int:
    """Return the environment steps that a run's checkpoint was written at, which its name holds."""
    return int(checkpoint.name.split("_")[1])


def newest_checkpoint(run: Path) -> Path:
    """Return the folder of a run's newest whole checkpoint.

    Raises:
        RunError: if the folder is missing or holds no checkpoint.
    """
    if not run.is_dir():
        raise RunError(f"{run} is not a folder; give the folder of a run, such as runs/cartpole-0")
    whole = whole_checkpoints(run)
    if not whole:
        raise RunError(
            f"{run} holds no checkpoint (looked for {CHECKPOINTS}/step_*); wait for the first one, or, if the run was "
            f"ended before it, let it begin anew: kvzero train --resume {run}"
        )
    return whole[-1]


def _find_checkpoint(run: Path, name: str) -> Path:
    """Return the folder of a run's checkpoint that has this name."""
    newest = newest_checkpoint(run)
    whole = [found.name for found in whole_checkpoints(run)]
    if name not in whole:
        raise RunError(f"{run} holds no checkpoint {name!r}; choose one of {', '.join(whole)}")
    return newest.with_name(name)


def read_checkpoint(run: Path, read: Callable[[Path], Found], *, name: str | None = None) -> Found:
    """Return what `read` makes of a run's newest checkpoint, or of the one called `name`.

    The process that writes a run deletes old checkpoints, perhaps the newest one that is being read: then a newer one
    is read. An agent in one file, as `kvzero export` writes it, may stand in place of a run: `read` is given the file.

    Raises:
        RunError: if the folder is missing, or holds no checkpoint or none of that name.
        CheckpointError: if the checkpoint, which is still there, or the file cannot be read.
        ConfigError: if a checkpoint of a file is named.
    """
    if run.is_file():
        if name is not None:
            raise ConfigError(f"checkpoint is {name!r}, but {run} is a file that holds a single one; leave it out")
        return read(run)
    if name is not None:
        return read(_find_checkpoint(run, name))
    while True:
        checkpoint = newest_checkpoint(run)
        try:
            return read(checkpoint)
        except CheckpointError:
            if checkpoint.is_dir():
                raise


def save_weights(network: Network, path: Path) -> None:
    """Write a network's weights."""
    save_tensors({name: weights.contiguous() for name, weights in network.state_dict().items()}, path)


def load_weights(network: Network, path: Path) -> None:
    """Read weights into `network`, all or none.

    Raises:
        CheckpointError: if the file is missing, damaged, or of a network of other sizes.
    """
    tensors = load_tensors(path)
    wanted = {name: weights.shape for name, weights in network.state_dict().items()}
    found = {name: weights.shape for name, weights in tensors.items()}
    if wanted != found:
        odd = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))
        first = odd[0]
        raise CheckpointError(
            f"{path} is of another configuration: {len(odd)} tensors differ, the first is {first}: "
            f"the file has {found.get(first)}, the network wants {wanted.get(first)}; "
            "load it with the config.json that lies in its run"
        )
    network.load_state_dict(tensors)


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write tensors, each with a memory of its own, into a safetensors file.

    Raises:
        OSError, SafetensorError: if it cannot be written.
    """
    with reachable(path) as place:
        save_file(tensors, place)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    try:
        with reachable(path) as place:
            return load_file(place)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}); delete its checkpoint folder to fall back to the one before it"
        ) from error


def save_agent(folder: Path, network: Network, config: AgentConfig) -> None:
    """Write an agent: its weights, and the config and spec that its network is built from."""
    save_weights(network, folder / WEIGHTS_FILE)
    text = json.dumps(_describe(network, config), indent=2)
    (folder / AGENT_FILE).write_text(text + "\n", encoding="utf-8")


def save_agent_file(path: Path, network: Network, config: AgentConfig, notes: Mapping[str, Any]) -> None:
    """Write an agent into one file, whole or not at all: weights, and in its header what builds it, and `notes`.

    The same agent with the same notes gives the same bytes.

    Raises:
        RunError: if it cannot be written.
    """
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    write_atomically(path, save(weights, to_metadata({**_describe(network, config), **notes})))


def load_network(place: Path, device: torch.device) -> tuple[Network, AgentConfig]:
    """Build the network that `save_agent` or `save_agent_file` wrote, and return it with its agent's config.

    Raises:
        CheckpointError: if a file is missing, damaged or from another version.
    """
    config, spec = _read_agent(place)
    network = Network(config.model, spec).to(device)
    load_weights(network, place if place.is_file() else place / WEIGHTS_FILE)
    return network, config


def check_environment(place: Path, spec: EnvSpec) -> None:
    """Refuse an environment that is not like the one that a checkpoint was trained in.

    Raises:
        CheckpointError: if observations, actions or their bounds differ; with both. Or if the file that says what they
            were is missing, damaged or from another version.
    """
    refuse_changed(spec, _read_agent(place)[1], place)


def refuse_changed(spec: EnvSpec, trained: EnvSpec, place: Path) -> None:
    """Refuse an environment that is not like the one that the agent in this checkpoint or file was trained in.

    Raises:
        CheckpointError: if observations, actions or their bounds differ; with both.
    """
    if spec != trained:
        raise CheckpointError(
            f"the environment has {spec}, but {place} was trained with {trained}; bring the environment back to what "
            "it was, or train anew"
        )


def _describe(network: Network, config: AgentConfig) -> dict[str, Any]:
    """Return what builds an agent, for JSON."""
    return {"agent": unstructure(config), "spec": unstructure(network.spec)}


def _read_agent(place: Path) -> tuple[AgentConfig, EnvSpec]:
    path = place if place.is_file() else place / AGENT_FILE
    try:
        found = read_notes(place) if place.is_file() else json.loads(path.read_text(encoding="utf-8"))
        return structure(found["agent"], AgentConfig), structure(found["spec"], EnvSpec)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); it is damaged or from another version") from error
