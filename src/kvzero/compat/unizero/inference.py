"""What a `WorldModel` is asked and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from kvzero.cache import NO_ACTION
from kvzero.checks import read_int
from kvzero.errors import CacheError, ConfigError
from kvzero.records import EnvSpec

__all__ = [
    "ROOT",
    "Actions",
    "InitialInference",
    "LatentStates",
    "RecurrentInference",
    "RootRequest",
    "StartPositions",
    "check_pixels",
    "nodes_to_continue",
    "read_actions",
    "read_envs",
    "read_latents",
    "read_nodes",
    "read_request",
    "read_starts",
]

ROOT = 0
"""Number of a search's root; simulation `s` makes node `s + 1`."""

Actions = Tensor | np.ndarray | Sequence[int]
"""Actions of a batch, as tensor, array or list; axes of length 1 beside the batch do not matter."""

StartPositions = SupportsIndex | Tensor | np.ndarray | Sequence[int]
"""Steps of their episodes, 0 or more: one for all rows of a batch, or one for each."""

LatentStates = Tensor | np.ndarray | Sequence[Tensor | np.ndarray]
"""Latents of a batch: a tensor or an array `[batch, embed]` or `[batch, 1, embed]`, or a list of `[1, embed]`."""


@dataclass(frozen=True, slots=True)
class InitialInference:
    """What a world model says of real observations, each seen in its context."""

    latent_state: Float[Tensor, "batch embed"]
    """Latents of the observations."""

    values: Float[Tensor, " batch"]
    """Expected returns, in the reward's units."""

    policy_logits: Float[Tensor, "batch action"]
    """Unnormalised log probabilities of the actions."""


@dataclass(frozen=True, slots=True)
class RecurrentInference:
    """What a world model says of actions, and of the latents that they lead to."""

    rewards: Float[Tensor, " batch"]
    """Expected rewards of the actions."""

    latent_state: Float[Tensor, "batch embed"]
    """Predicted latents."""

    values: Float[Tensor, " batch"]
    """Expected returns from there on."""

    policy_logits: Float[Tensor, "batch action"]
    """Unnormalised log probabilities of the next actions."""


@dataclass(frozen=True, slots=True)
class RootRequest:
    """What some environments show now and what led to it."""

    observations: Shaped[Tensor, "batch ..."]
    """What they show."""

    actions: list[int]
    """What was done before, `NO_ACTION` where an episode begins."""

    before: Shaped[Tensor, "batch ..."] | None
    """What they showed before, from which a root that is lost can be begun anew."""


def read_request(obs_or_dict: Tensor | Mapping[str, Any], spec: EnvSpec) -> RootRequest:
    """Return a request in one form: observations alone begin an episode each.

    Raises:
        ConfigError: if it is neither, a dict has other names, sizes or actions than wanted, or observations have
            another shape, or are images in other numbers than bytes.
    """
    if isinstance(obs_or_dict, Tensor):
        request = RootRequest(obs_or_dict, [NO_ACTION] * len(obs_or_dict), None)
    elif isinstance(obs_or_dict, Mapping):
        request = _read_dict(obs_or_dict, num_actions=spec.num_actions)
    else:
        raise ConfigError(
            f"an initial inference was asked for with a {type(obs_or_dict).__name__}; give a tensor of observations "
            "(of an array, torch.from_numpy(array)), or a dict of tensors"
        )
    for shown in (request.observations, request.before):
        if shown is not None and shown.shape[1:] != spec.observation_shape:
            raise ConfigError(
                f"observations have shape {tuple(shown.shape)}; give one of observation_shape {spec.observation_shape} "
                "for each row"
            )
        if shown is not None:
            check_pixels(shown, spec)
    return request


def check_pixels(observations: Shaped[Tensor, "batch ..."], spec: EnvSpec) -> None:
    """Refuse images that the encoder would misread.

    Raises:
        ConfigError: if they are no bytes.
    """
    if spec.is_image and observations.dtype != torch.uint8:
        raise ConfigError(
            f"observations are images of {observations.dtype}; give bytes (torch.uint8) from 0 to 255, which the "
            "encoder divides by 255: of floats from 0 to 1, (images * 255).round().to(torch.uint8)"
        )


def _read_dict(obs_or_dict: Mapping[str, Any], *, num_actions: int) -> RootRequest:
    observations, before = obs_or_dict.get("current_obs"), obs_or_dict.get("obs")
    is_known = set(obs_or_dict) <= {"current_obs", "action", "obs"} and isinstance(before, Tensor | None)
    if not (is_known and isinstance(observations, Tensor) and "action" in obs_or_dict):
        raise ConfigError(
            f"an initial inference was asked for with {sorted(obs_or_dict)}; give a tensor of observations, or a dict "
            "of current_obs (a tensor), action (one for each row, -1 where an episode begins) and, if there is a need, "
            "obs (a tensor of what was shown before)"
        )
    actions = read_actions(obs_or_dict["action"], num_actions=num_actions, lowest=NO_ACTION)
    if len({len(rows) for rows in (observations, actions, before) if rows is not None}) > 1:
        raise ConfigError(
            f"{len(observations)} observations came with {len(actions)} actions"
            + ("" if before is None else f" and {len(before)} earlier observations")
            + "; give as many of each"
        )
    return RootRequest(observations, actions, before)


def read_actions(actions: object, *, num_actions: int, lowest: int = 0) -> list[int]:
    """Return the actions of a batch as numbers.

    Raises:
        ConfigError: if one of them is not an action from `lowest` up to `num_actions - 1`.
    """
    read: list[float] = torch.as_tensor(actions).flatten().tolist()
    odd = [action for action in read if action not in range(lowest, num_actions)]
    if odd:
        raise ConfigError(f"actions {odd} are not among the actions {lowest} to {num_actions - 1}")
    return [int(action) for action in read]


def read_latents(
    latent_state: LatentStates, *, embed_dim: int, like: Float[Tensor, "..."]
) -> Float[Tensor, "batch embed"]:
    """Return the latents of a batch as one tensor, on the device and of the number type of another.

    Raises:
        ConfigError: if they are not numbers, or not `embed_dim` of them for each row.
    """
    try:
        rows = [torch.as_tensor(row, dtype=like.dtype, device=like.device) for row in latent_state]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"latents are {latent_state!r}; give a tensor, an array, or a list of them") from error
    odd = [tuple(row.shape) for row in rows if row.shape not in ((embed_dim,), (1, embed_dim))]
    if odd or not rows:
        raise ConfigError(
            f"latents are {len(rows)} rows, of shape {odd[0] if odd else ()}; give at least one row, and {embed_dim} "
            f"numbers, of shape ({embed_dim},) or (1, {embed_dim}), for each"
        )
    return torch.stack([row.reshape(embed_dim) for row in rows])


def read_starts(start_pos: StartPositions, num_rows: int) -> list[int]:
    """Return the first step of each row's episode; axes of length 1 beside the batch do not matter.

    Raises:
        ConfigError: if there is neither one for all nor one for each, or one is below 0.
    """
    if isinstance(start_pos, Tensor | np.ndarray) and start_pos.ndim:
        numbers = [read_int("start_pos", each) for each in start_pos.reshape(-1)]
    elif isinstance(start_pos, Sequence):
        numbers = [read_int("start_pos", each) for each in start_pos]
    else:
        numbers = [read_int("start_pos", start_pos)] * num_rows
    if len(numbers) != num_rows or min(numbers, default=0) < 0:
        raise ConfigError(f"start_pos is {start_pos} for {num_rows} rows; give one step, 0 or more, or one for each")
    return numbers


def read_envs(env_ids: Sequence[int] | None, num_rows: int, *, num_envs: int) -> list[int]:
    """Return the environment of each row: the first ones where none are named.

    Raises:
        CacheError: if there is no such environment.
        ConfigError: if there is not another one for each row.
    """
    envs = list(range(num_rows)) if env_ids is None else [read_int("env_id", env, CacheError) for env in env_ids]
    if not envs or min(envs) < 0 or max(envs) >= num_envs:
        raise CacheError(f"environments {envs} were asked for; this model serves environments 0 to {num_envs - 1}")
    if len(envs) != num_rows or len(set(envs)) != num_rows:
        raise ConfigError(f"env_ids is {envs} for {num_rows} rows; give each row an environment of its own")
    return envs


def read_nodes(nodes: Sequence[int]) -> list[int]:
    """Return the numbers of nodes.

    Raises:
        ConfigError: if one is no integer.
    """
    return [read_int("latent_state_index_in_search_path", node) for node in nodes]


def nodes_to_continue(nodes: Sequence[int] | None, simulation_index: int, num_rows: int) -> list[int]:
    """Return the node that each row continues; the root where the first simulation does not say.

    Raises:
        ConfigError: if a later simulation does not say.
    """
    if nodes is not None:
        return read_nodes(nodes)
    if simulation_index > 0:
        raise ConfigError(
            f"simulation {simulation_index} did not say which nodes it continues; give "
            "latent_state_index_in_search_path, 0 for the root and s + 1 for the node that simulation s made"
        )
    return [ROOT] * num_rows
