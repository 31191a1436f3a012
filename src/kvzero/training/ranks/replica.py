"""A learner as it is sent to another rank: what it is made of, and where it has come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kvzero.model import ModelConfig, Network
from kvzero.records import EnvSpec
from kvzero.training.learning import Learner, LearnerConfig, Ranks
from kvzero.training.learning.config import NumberType

__all__ = ["LearnerCopy", "copy_learner", "make_learner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerCopy:
    """All of a learner that decides its updates."""

    model: ModelConfig
    spec: EnvSpec
    config: LearnerConfig
    discount: float
    total_updates: int

    device: str
    """Kind of device that it computes on."""

    num_threads: int
    """CPU threads that it computes with."""

    num_updates: int
    number_type: NumberType | None
    shift_rng: Mapping[str, Any] | None
    weights: Mapping[str, Tensor]
    target_weights: Mapping[str, Tensor]
    moments: Mapping[int, Mapping[str, Tensor]]
    """What the optimiser keeps of each weight; like the weights, in memory that any rank has."""


def copy_learner(learner: Learner) -> LearnerCopy:
    """Return what another rank needs to make the same updates from here on."""
    network, moments = learner.network, learner.optimizer.state_dict()["state"]
    return LearnerCopy(
        model=network.config,
        spec=network.spec,
        config=learner.config,
        discount=learner.schedules.final_discount,
        total_updates=learner.schedules.total_updates,
        device=network.device.type,
        num_threads=torch.get_num_threads(),
        num_updates=learner.num_updates,
        number_type=learner.number_type,
        shift_rng=None if learner.shift is None else learner.shift.rng_state(),
        weights=_to_memory(network.state_dict()),
        target_weights=_to_memory(learner.target_network.state_dict()),
        moments={index: _to_memory(entries) for index, entries in moments.items()},
    )


def make_learner(copy: LearnerCopy, ranks: Ranks) -> Learner:
    """Return the learner of this rank, which is where rank 0's is.

    Raises:
        DeviceError: if this machine lacks its device.
    """
    torch.set_num_threads(copy.num_threads)
    learner = Learner(
        Network(copy.model, copy.spec).to(ranks.choose_device(copy.device)),
        copy.config,
        discount=copy.discount,
        total_updates=copy.total_updates,
        ranks=ranks,
    )
    learner.network.load_state_dict(copy.weights)
    learner.target_network.load_state_dict(copy.target_weights)
    learner.load_moments(copy.moments)
    learner.num_updates = copy.num_updates
    learner.number_type = copy.number_type
    if learner.shift is not None and copy.shift_rng is not None:
        learner.shift.load_rng_state(copy.shift_rng)
    return learner


def _to_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in tensors.items()}
