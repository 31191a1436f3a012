"""Dropout: in the pass that it is handed to and in no other, at all its three places, and nothing drawn without it."""

import pytest
import torch
from tests.model.samples import random_network

from kvzero.model import NO_DROPOUT, Dropout
from kvzero.model.dropout import drop


def passed(network, dropout: Dropout, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    latents, actions = torch.randn(2, 4, 24, generator=generator), torch.tensor([[0, 1, 2, 0], [2, 2, 1, 0]])
    torch.manual_seed(seed)
    return network(latents, actions, dropout=dropout).value_logits


def test_a_share_of_numbers_is_left_out_and_the_mean_stays():
    torch.manual_seed(0)
    dropped = drop(torch.ones(200, 500), 0.25)
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)
    assert dropped.unique().numel() == 2


@pytest.mark.parametrize("place", ["embedding", "residual", "attention"])
def test_every_place_drops_anew_in_each_pass(place):
    network = random_network()
    dropout = Dropout(**{place: 0.3})
    first, again, other = (passed(network, dropout, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)
    assert not torch.allclose(first, passed(network, NO_DROPOUT), atol=1e-3)


def test_a_pass_without_dropout_draws_no_number_in_train_mode_either():
    network = random_network().train()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    values = torch.ones(3)
    assert drop(values, 0.0) is values
    network(torch.randn(2, 4, 24, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 4, dtype=torch.long))
    assert torch.equal(torch.get_rng_state(), state)
