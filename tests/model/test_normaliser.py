"""Running mean and variance equal those of everything at once, and belong to the network's state."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model.samples import SMALL, VECTOR, random_network

from kvzero.errors import ConfigError
from kvzero.model import ModelConfig, Network
from kvzero.model.normaliser import Normaliser
from kvzero.records import EnvSpec


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6), seed=st.integers(0, 999))
def test_batches_add_up_to_the_statistics_of_everything(sizes, seed):
    rng = np.random.default_rng(seed)
    batches = [rng.normal(rng.normal(size=3) * 9, rng.random(3) * 5, (size, 3)).astype(np.float32) for size in sizes]
    normaliser = Normaliser(3)
    for batch in batches:
        normaliser.take_in(torch.from_numpy(batch))
    everything = np.concatenate(batches).astype(np.float64)
    np.testing.assert_allclose(normaliser.mean, everything.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(normaliser.variance, everything.var(0), rtol=1e-3, atol=1e-3)
    assert normaliser.count == len(everything)


def test_normalised_features_have_mean_0_and_variance_1_and_odd_ones_are_clipped():
    normaliser = Normaliser(2)
    observations = torch.randn(5_000, 2) * torch.tensor([3.0, 0.5]) + torch.tensor([-40.0, 2.0])
    normaliser.take_in(observations)
    shown = normaliser(observations)
    torch.testing.assert_close(shown.mean(0), torch.zeros(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(shown.var(0), torch.ones(2), atol=1e-2, rtol=0)
    assert normaliser(torch.tensor([[1e9, -1e9]])).tolist() == [[10.0, -10.0]]


def test_before_the_first_observation_they_are_shown_as_they_are_and_a_constant_is_shown_as_0():
    normaliser = Normaliser(2)
    observations = torch.tensor([[0.5, -2.0]])
    torch.testing.assert_close(normaliser(observations), observations, rtol=1e-4, atol=0)
    normaliser.take_in(torch.full((9, 2), 7.0))
    assert normaliser(torch.full((1, 2), 7.0)).tolist() == [[0.0, 0.0]]


def test_statistics_are_saved_copied_and_stay_float32():
    network = random_network(ModelConfig(embed_dim=8, num_heads=2, normalize_observations=True))
    network.normaliser.take_in(torch.randn(11, 5) + 300.25)
    kept = {name for name in network.state_dict() if "normaliser" in name}
    assert kept == {f"encoder.normaliser.{name}" for name in ("mean", "variance", "count")}
    twin = copy.deepcopy(network)
    assert torch.equal(twin.normaliser.mean, network.normaliser.mean)
    mean = network.normaliser.mean.clone()
    assert torch.equal(network.to(torch.bfloat16).normaliser.mean, mean)
    assert network.encode(torch.randn(3, 5)).dtype == torch.bfloat16


def test_a_network_without_normalisation_has_no_statistics_and_images_take_none():
    assert Network(SMALL, VECTOR).normaliser is None
    assert not [name for name in Network(SMALL, VECTOR).state_dict() if "normaliser" in name]
    with pytest.raises(ConfigError, match="normalize_observations would have no effect on images"):
        Network(ModelConfig(normalize_observations=True), EnvSpec(observation_shape=(3, 20, 20), num_actions=2))
