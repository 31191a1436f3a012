"""The native engine draws continuous actions as PyTorch does, in machine code as when called from Python."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engines.python_expander import search_in_python

from kvzero.agent import AgentConfig, Planner
from kvzero.engines import SamplingConfig
from kvzero.model import ModelConfig, Network, read_gaussian
from kvzero.records import EnvSpec
from kvzero.search import Outcome, SearchConfig

NUM_ENVS, CLOSE = 5, {"rtol": 2e-5, "atol": 2e-5}


def make_network(action_dim: int, *, norm: str = "simnorm", noise: float = 0.15) -> Network:
    torch.manual_seed(0)
    model = ModelConfig(embed_dim=16, num_heads=2, context_tokens=6, support_size=11, latent_norm=norm)
    network = Network(model, EnvSpec(observation_shape=(4,), action_dim=action_dim))
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn_like(weights) * noise)
    return network


def plan(network: Network, engine: str, *, explore: bool, num_sampled_actions: int = 7, steps: int = 3) -> Outcome:
    """Observe a few random steps, environments starting one after the other; return the last search."""
    config = AgentConfig(
        model=network.config,
        search=SearchConfig(num_simulations=9),
        sampling=SamplingConfig(num_sampled_actions=num_sampled_actions, num_wide_actions=1),
        engine=engine,
    )
    planner = Planner(network, config, num_envs=NUM_ENVS)
    rng, everyone = np.random.default_rng(0), np.arange(NUM_ENVS)
    for step in range(steps):
        observations = rng.normal(size=(NUM_ENVS, 4)).astype(np.float32)
        actions = rng.uniform(-1, 1, (NUM_ENVS, network.spec.action_dim)).astype(np.float32)
        planner.observe(everyone, observations, actions=actions, starts=(everyone + step) % 3 == 0)
        chance = np.random.default_rng(step) if explore else None
        outcome = planner.plan(everyone, np.ones((NUM_ENVS, 0), bool), rng=chance)
    assert planner.engine.name == engine
    return outcome


@pytest.mark.parametrize("explore", [False, True])
@pytest.mark.parametrize("norm", ["simnorm", "layernorm"])
def test_a_search_in_machine_code_is_that_of_a_search_from_python(
    explore: bool, norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network(3, norm=norm)
    compiled = plan(network, "native", explore=explore)
    search_in_python(monkeypatch)
    python = plan(network, "native", explore=explore)
    np.testing.assert_array_equal(compiled.action_sets, python.action_sets)
    for found, wanted in zip(compiled.tree, python.tree, strict=True):
        np.testing.assert_array_equal(found, wanted)


@settings(max_examples=12)
@given(
    action_dim=st.integers(1, 9),
    num_sampled_actions=st.integers(2, 21),
    explore=st.booleans(),
    noise=st.sampled_from([0.05, 0.3, 2.0]),
)
def test_the_actions_that_are_drawn_are_those_of_pytorch(
    action_dim: int, num_sampled_actions: int, explore: bool, noise: float
) -> None:
    network = make_network(action_dim, noise=noise)
    native, eager = (
        plan(network, engine, explore=explore, num_sampled_actions=num_sampled_actions, steps=1)
        for engine in ("native", "eager")
    )
    close = CLOSE if noise < 1 else {"rtol": 5e-4, "atol": 5e-4}  # wild weights make much of the last bits
    np.testing.assert_allclose(native.action_sets[:, 0], eager.action_sets[:, 0], **close)
    first = native.tree.actions[:, 1] == eager.tree.actions[:, 1]  # scores this close may rank otherwise
    np.testing.assert_allclose(native.action_sets[first, 1], eager.action_sets[first, 1], rtol=1e-3, atol=1e-3)
    assert np.isfinite(native.action_sets).all()
    assert (np.abs(native.action_sets) < 1).all()


def test_the_bounds_that_the_engine_reads_are_those_of_the_policy() -> None:
    """An extreme policy: every bound of mean, scale and number is met."""
    network = make_network(2)
    with torch.no_grad():
        network.latent_head.second.weight.zero_()
        network.latent_head.second.bias.copy_(torch.tensor([50.0, -50.0, 50.0, -50.0]))
    native, eager = (plan(network, engine, explore=True, steps=1) for engine in ("native", "eager"))
    gaussian = read_gaussian(network.latent_head.second.bias.detach())
    assert gaussian.means.tolist() == [3, -3]
    np.testing.assert_allclose(gaussian.log_scales, [1, -3], atol=1e-6)
    np.testing.assert_allclose(native.action_sets[:, 1:6], eager.action_sets[:, 1:6], **CLOSE)
    assert native.action_sets[..., 0].max() == pytest.approx(np.tanh(4), abs=1e-6)
