"""A roll-out predicts along given actions what uncached forwards over the same tokens predict."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.equivalence.reference import Path
from tests.equivalence.scenario import Shape, random_network
from tests.equivalence.test_exactness import SHAPES
from tests.equivalence.test_learned import SHAPES as LEARNED

from kvzero.engines import Past, SearchNetwork, roll_out
from kvzero.model import Network

STARTS = (0, 2, 9)
NUM_NODES = 5
CASES = {**SHAPES, **{f"learned_{name}": shape for name, shape in LEARNED.items()}}


def play(shape: Shape, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
    rng, spec = np.random.default_rng(4), shape.spec
    if spec.is_image:
        observations = rng.integers(256, size=(num_steps + 1, *spec.observation_shape), dtype=np.uint8)
    else:
        observations = rng.normal(size=(num_steps + 1, *spec.observation_shape)).astype(np.float32)
    actions = spec.blank_actions(num_steps)
    drawn = rng.uniform(-1, 1, actions.shape) if spec.is_continuous else rng.integers(spec.num_actions, size=num_steps)
    return observations, drawn.astype(actions.dtype)


def pasts(network: Network, observations: np.ndarray, actions: np.ndarray) -> tuple[Past, np.ndarray]:
    """Return what was seen before each start, no more of it than a root needs."""
    depth = network.config.layout.history_steps + 1
    times = np.array(STARTS)[:, None] + np.arange(1 - depth, 1)
    rows = times.clip(min=0)
    return Past(observations[rows], actions[rows][:, :-1], times >= 0), 2 * np.array(STARTS) + 1


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_every_depth_equals_uncached_forwards_over_the_same_tokens(name: str) -> None:
    shape = CASES[name]
    network = random_network(shape, seed=3)
    observations, actions = play(shape, max(STARTS) + NUM_NODES)
    played = np.stack([actions[start : start + NUM_NODES] for start in STARTS])
    found = roll_out(SearchNetwork(network, "float32"), *pasts(network, observations, actions), played)
    for row, start in enumerate(STARTS):
        path = Path(network)
        for time in range(start + 1):
            path.see(observations[time], actions[time - 1] if time else None)
        for depth in range(NUM_NODES):
            reward, latent = path.step(actions[start + depth])
            value, _ = path.read()
            torch.testing.assert_close(found.rewards[row, depth], reward, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(found.latents[row, depth], latent, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(found.values[row, depth], value, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["vector", "image", "continuous", "three_layers_layernorm"])
@torch.no_grad()
def test_the_first_step_is_what_the_training_pass_predicts_from_true_latents(name: str) -> None:
    shape = SHAPES[name]
    network = random_network(shape, seed=3)
    observations, actions = play(shape, max(STARTS) + NUM_NODES)
    latents = network.encode(torch.from_numpy(observations[:-1]))[None]
    trained = network(latents, torch.from_numpy(actions)[None])
    played = np.stack([actions[start : start + 1] for start in STARTS])
    found = roll_out(SearchNetwork(network, "float32"), *pasts(network, observations, actions), played)
    for row, start in enumerate(STARTS):
        torch.testing.assert_close(found.latents[row, 0], trained.next_latents[0, start], atol=1e-5, rtol=1e-4)
        reward = network.support.decode(trained.reward_logits[0, start])
        torch.testing.assert_close(found.rewards[row, 0], reward, atol=1e-4, rtol=1e-4)


def test_it_looks_no_further_back_than_a_root_and_searches_in_the_type_that_is_asked_for() -> None:
    shape = replace(SHAPES["vector"], num_envs=1)
    network = random_network(shape, seed=3)
    observations, actions = play(shape, max(STARTS) + NUM_NODES)
    played = np.stack([actions[start : start + NUM_NODES] for start in STARTS])
    searched = SearchNetwork(network, "bfloat16")
    found = roll_out(searched, *pasts(network, observations, actions), played)
    exact = roll_out(SearchNetwork(network, "float32"), *pasts(network, observations, actions), played)
    assert found.values.dtype == torch.float32
    assert 0 < (found.latents - exact.latents).abs().max() < 0.1
