"""Running mean and variance equal those of everything at once, and belong to the network's state."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.model.samples import SMALL, VECTOR, random_network

from kvzero.model import ModelConfig, Network
from kvzero.model.encoders.images import TAKEN_AT_ONCE
from kvzero.model.normaliser import Normaliser
from kvzero.records import EnvSpec


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6), seed=st.integers(0, 999))
def test_batches_add_up_to_the_statistics_of_everything(sizes, seed):
    rng = np.random.default_rng(seed)
    batches = [rng.normal(rng.normal(size=3) * 9, rng.random(3) * 5, (size, 3)).astype(np.float32) for size in sizes]
    normaliser = Normaliser(3)
    for batch in batches:
        normaliser.take_in(torch.from_numpy(batch))
    of_images = Normaliser(1, 3, 1)
    for batch in batches:
        of_images.take_in(torch.from_numpy(batch)[:, None, :, None])
    assert torch.equal(of_images.mean.flatten(), normaliser.mean)
    assert torch.equal(of_images.variance.flatten(), normaliser.variance)
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


IMAGES = EnvSpec(observation_shape=(2, 33, 34), num_actions=3)


@pytest.mark.parametrize("spec", [VECTOR, IMAGES], ids=["vector", "images"])
def test_a_network_without_normalisation_has_no_statistics_and_takes_nothing_in(spec):
    network = Network(SMALL, spec)
    assert network.normaliser is None
    before = network.digest
    network.take_in(torch.ones(3, *spec.observation_shape))
    assert network.digest == before
    assert not [name for name in network.state_dict() if "normaliser" in name]


def pixel_specs() -> dict[str, EnvSpec]:
    bounds = ((-3.0, 5.0), (1000.0, 1001.0))
    return {
        "bytes": IMAGES,
        "flags": replace(IMAGES, pixels="flags"),
        "floats": replace(IMAGES, pixels="floats", pixel_bounds=bounds),
    }


def observe(spec: EnvSpec, num: int) -> torch.Tensor:
    shares = torch.rand(num, *spec.observation_shape, generator=torch.Generator().manual_seed(num))
    if spec.pixels == "bytes":
        return (255 * shares).to(torch.uint8)
    if spec.pixels == "flags":
        return shares > 0.7
    low, high = torch.tensor(spec.pixel_bounds).T[:, :, None, None]
    return low + shares * (high - low)


@pytest.mark.parametrize("kind", pixel_specs())
def test_pixels_are_normalised_place_by_place_in_what_an_encoder_sees_of_them(kind):
    spec = pixel_specs()[kind]
    network = Network(replace(SMALL, normalize_observations=True), spec)
    images, before = observe(spec, 2 * TAKEN_AT_ONCE + 5), network.version
    network.take_in(images)
    assert network.version > before
    pixels = network.encoder.pixels(images, torch.float32)
    torch.testing.assert_close(network.normaliser.mean, pixels.mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(network.normaliser.variance, pixels.var(0, correction=0), atol=1e-5, rtol=1e-3)
    shown = ((pixels[:3] - pixels.mean(0)) / (pixels.var(0, correction=0) + 1e-4).sqrt()).clamp(-10, 10)
    wanted = network.encoder.project(network.encoder.stages(shown).flatten(1))
    torch.testing.assert_close(network.encode(images[:3]), wanted, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", ["resnet", "strided"])
def test_a_moving_dot_is_seen_before_a_bright_background_when_pixels_are_normalised(kind):
    """In Pong a ball of three pixels moved a latent by a hundredth of its length, and its place was never learnt."""
    spec = EnvSpec(observation_shape=(1, 64, 64), num_actions=3)
    images = torch.full((64, *spec.observation_shape), 87, dtype=torch.uint8)
    images[..., :10, :], images[..., 58:, :] = 236, 236  # walls
    for place in range(64):
        images[place, 0, 12 + 5 * (place // 8), 8 + 6 * (place % 8)] = 200
    spreads = []
    for normalises in (False, True):
        torch.manual_seed(0)
        model = ModelConfig(embed_dim=64, image_encoder=kind, encoder_channels=32, normalize_observations=normalises)
        network = Network(model, spec)
        network.take_in(images)
        latents = network.encode(images).detach()
        spreads.append(float((latents.std(0) / latents.mean(0)).mean()))
    assert spreads[0] < 0.03
    assert spreads[1] > 0.1


def test_statistics_of_pixels_stay_float32_and_are_used_in_it():
    network = Network(replace(SMALL, normalize_observations=True), IMAGES)
    network.take_in(observe(IMAGES, 9))
    mean = network.normaliser.mean.clone()
    assert torch.equal(network.to(torch.bfloat16).normaliser.mean, mean)
    assert network.encode(observe(IMAGES, 2)).dtype == torch.bfloat16
