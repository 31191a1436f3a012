"""The network under torch.compile; the shape-checking hook cannot be compiled, so this has a session of its own."""

import pytest
import torch
from tests.model.samples import random_network


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # as PyTorch's tracer does itself
@torch.no_grad()
def test_a_compiled_network_predicts_as_the_plain_one():
    network = random_network()
    latents, actions = torch.rand(2, 7, 24), torch.tensor([[0, 1, 2, 0, 1, 2, 0], [2, 2, 1, 0, 0, 1, 1]])
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")  # traced whole; no wait for a C++ compiler
    wanted, found = network(latents, actions), compiled(latents, actions)
    for name in ("reward_logits", "next_latents", "value_logits", "policy_logits"):
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name), atol=1e-5, rtol=1e-5)
