"""What a `WorldModel` is asked and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from kvzero.cache import NO_ACTION
from kvzero.errors import ConfigError

__all__ = [
    "Actions",
    "InitialInference",
    "RecurrentInference",
    "RootRequest",
    "StartPositions",
    "read_actions",
    "read_request",
]

Actions = Tensor | np.ndarray | Sequence[int]
"""Actions of a batch, as tensor, array or list; axes of length 1 beside the batch do not matter."""

StartPositions = SupportsIndex | Tensor | np.ndarray | Sequence[int]
"""Steps of their episodes, 0 or more: one for all rows of a batch, or one for each."""


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


def read_request(obs_or_dict: Tensor | Mapping[str, Any], *, num_actions: int) -> RootRequest:
    """Return a request in one form: observations alone begin an episode each.

    Raises:
        ConfigError: if a dict has other names, sizes or actions than wanted.
    """
    if isinstance(obs_or_dict, Tensor):
        return RootRequest(obs_or_dict, [NO_ACTION] * len(obs_or_dict), None)
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
