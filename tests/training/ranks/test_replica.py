"""The copy of a learner that is sent to another rank goes on as the first one does, on a device of its own."""

import pickle
from typing import Any

import pytest
import torch
from tests.training.samples import some_segments, tiny_learner

from kvzero.training.learning import Alone
from kvzero.training.ranks.replica import copy_learner, make_learner

pytestmark = pytest.mark.usefixtures("own_random_state")


def tensors_in(content: Any) -> list[torch.Tensor]:
    if isinstance(content, torch.Tensor):
        return [content]
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list | tuple) else []
    return [tensor for part in parts for tensor in tensors_in(part)]


def test_a_copy_makes_the_same_updates_and_keeps_its_learning_rate_where_its_own_device_is():
    learner = tiny_learner()
    segments = some_segments(learner)
    learner.update(segments)
    for group in learner.optimizer.param_groups:  # as on a GPU, which another rank may not have
        group["lr"] = torch.tensor(group["lr"], device="meta")
    copy = pickle.loads(pickle.dumps(copy_learner(learner)))
    fields = [getattr(copy, name) for name in type(copy).__slots__]
    assert {tensor.device.type for tensor in tensors_in(fields)} == {"cpu"}
    other = make_learner(copy, Alone())
    assert all(isinstance(group["lr"], float) for group in other.optimizer.param_groups)
    for group in learner.optimizer.param_groups:
        group["lr"] = learner.learning_rate
    for each in (learner, other):
        each.update(segments)
    torch.testing.assert_close(other.network.state_dict(), learner.network.state_dict(), rtol=0, atol=0)
    assert other.num_updates == learner.num_updates == 2
