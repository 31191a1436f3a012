"""The measured error of shifted windows: none until a window slides, and then that of the model used by hand."""

import pytest
import torch
from tests.model.samples import random_network
from tests.model.test_sliding import LEARNED, draw, uncached

from kvzero.errors import ConfigError
from kvzero.model import shift_error

STEPS = 9


@torch.no_grad()
def test_exact_values_are_those_of_uncached_windows_and_the_error_begins_with_the_first_slide():
    network = random_network(LEARNED)
    latents = network.encode(draw(2 * STEPS, 5)).unflatten(0, (2, STEPS))
    actions = torch.randint(3, (2, STEPS), generator=torch.Generator().manual_seed(0))
    error = shift_error(network, latents, actions)
    for row in range(2):
        for step in range(STEPS):
            path = list(latents[row, : step + 1]), actions[row, :step].tolist()
            value, _ = network.latent_head(uncached(network, *path, LEARNED.context_tokens - 1))
            wanted = network.support.decode(value)
            torch.testing.assert_close(error.exact_values[row, step], wanted, atol=1e-5, rtol=0)
    assert error.first_slide == 3
    assert error.values[:, :3].max() == error.policies[:, :3].max() == 0
    assert error.values[:, 3:].min() > 1e-4
    assert 1e-4 < error.policies[:, 3:].min() <= error.policies.max() <= 1


def test_rotary_networks_have_no_such_error():
    with pytest.raises(ConfigError, match="rotary positions"):
        shift_error(random_network(), draw(1, 2, 24), torch.zeros(1, 2, dtype=torch.long))
