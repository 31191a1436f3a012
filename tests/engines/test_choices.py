"""What a search may choose from: weights as the densities say, one table of noise when evaluating."""

import numpy as np
import pytest
import torch
from tests.equivalence.scenario import Shape, random_network
from torch.distributions import Normal

from kvzero.agent import AgentConfig, Planner
from kvzero.engines import SamplingConfig
from kvzero.engines.choices import SampledActions
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig, Network, read_gaussian
from kvzero.records import EnvSpec
from kvzero.search import Leaves, SearchConfig

DIM, NODES = 2, 5
SAMPLING = SamplingConfig(num_sampled_actions=7, num_wide_actions=3, wide_scale=2.5)


def drawn(
    num_envs: int = 3, *, seed: int | None = 0, config: SamplingConfig = SAMPLING, num_nodes: int = NODES
) -> SampledActions:
    rng = None if seed is None else np.random.default_rng(seed)
    return SampledActions(
        config, num_envs=num_envs, num_nodes=num_nodes, action_dim=DIM, device=torch.device("cpu"), rng=rng
    )


def test_root_priors_are_policy_over_proposal():
    choices, policies = drawn(), torch.randn(3, 2 * DIM)
    logits = choices.offer(0, policies)
    gaussian = read_gaussian(policies)
    means, scales = gaussian.means.double()[:, None], gaussian.log_scales.double().exp()[:, None]
    numbers = torch.from_numpy(choices.sets()[:, 0]).double().atanh()
    policy = Normal(means, scales).log_prob(numbers).sum(-1)
    wide = Normal(means, 2.5 * scales).log_prob(numbers).sum(-1)
    beta = torch.logsumexp(torch.stack([policy + np.log(4 / 7), wide + np.log(3 / 7)]), dim=0)
    inside = numbers.abs().amax(-1) < 3.9  # those beyond were drawn farther out, and clipped
    torch.testing.assert_close(torch.from_numpy(logits).double()[inside], (policy - beta)[inside], atol=2e-3, rtol=2e-3)


def test_weighted_draws_estimate_what_the_policy_would():
    """The mean of any function over the policy equals its mean over the proposal, weighted."""
    config = SamplingConfig(num_sampled_actions=4_000, num_wide_actions=1_000)
    choices, policies = drawn(1, config=config), torch.tensor([[0.4, -0.3, -1.0, -2.0]])
    weights = np.exp(choices.offer(0, policies)[0])
    numbers = np.arctanh(choices.sets()[0, 0].astype(np.float64))
    assert weights.mean() == pytest.approx(1, abs=0.03)
    gaussian = read_gaussian(policies)
    np.testing.assert_allclose(np.average(numbers, axis=0, weights=weights), gaussian.means[0], atol=0.05)


@pytest.mark.parametrize("config", [SamplingConfig(), SamplingConfig(num_wide_actions=0)])
def test_below_the_root_and_without_a_wider_proposal_all_draws_are_equally_likely(config):
    choices, policies = drawn(config=config), torch.randn(3, 2 * DIM)
    root = choices.offer(0, policies)
    assert np.ptp(root) == 0 or config.num_wide_actions
    assert not choices.offer(2, policies).any()


def test_every_environment_and_node_has_a_set_of_its_own_when_collecting():
    choices = drawn()
    for node in range(NODES):
        choices.offer(node, torch.zeros(3, 2 * DIM) + torch.arange(3)[:, None] / 10)
    assert len(np.unique(choices.sets())) == 3 * NODES * 7 * DIM


def test_below_the_root_environments_share_the_noise_of_a_search_and_no_two_searches_do():
    rng = np.random.default_rng(0)
    config = {"num_envs": 3, "num_nodes": NODES, "action_dim": DIM, "device": torch.device("cpu"), "rng": rng}
    searches = [SampledActions(SAMPLING, **config) for _ in range(2)]
    for choices in searches:
        for node in range(2):
            choices.offer(node, torch.zeros(3, 2 * DIM))
    first, second = (choices.sets() for choices in searches)
    assert len(np.unique(first[:, 0])) == 3 * 7 * DIM
    np.testing.assert_array_equal(first[0, 1], first[2, 1])
    assert not np.isclose(first[:, :2], second[:, :2]).all(axis=-1).any()


def test_without_chance_what_is_drawn_depends_on_node_and_policy_alone():
    together, alone = drawn(3, seed=None), drawn(1, seed=None)
    policies = torch.randn(3, 2 * DIM)
    for node in range(NODES):
        together.offer(node, policies)
        alone.offer(node, policies[1:2])
    np.testing.assert_array_equal(together.sets()[1], alone.sets()[0])
    np.testing.assert_allclose(alone.sets()[0, 0, 0], read_gaussian(policies).means[1].tanh(), rtol=1e-6)
    assert len(np.unique(alone.sets())) == NODES * 7 * DIM


def test_a_leafs_action_is_the_one_that_was_drawn_at_its_parent():
    choices = drawn()
    for node in range(3):
        choices.offer(node, torch.randn(3, 2 * DIM))
    leaves = Leaves(3, parents=np.array([2, 0, 1]), actions=np.array([6, 0, 3]), depths=np.array([2, 1, 2]))
    wanted = choices.sets()[[0, 1, 2], [2, 0, 1], [6, 0, 3]]
    np.testing.assert_array_equal(choices.find(leaves), wanted)


def test_sampling_where_actions_are_numbered_is_refused():
    shape = Shape(ModelConfig(embed_dim=8, num_heads=1), EnvSpec(observation_shape=(3,), num_actions=2))
    config = AgentConfig(model=shape.model, sampling=SamplingConfig(num_sampled_actions=9))
    with pytest.raises(ConfigError, match=r"num_sampled_actions=9.* would have no effect"):
        Planner(random_network(shape, 0), config, num_envs=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_sampled_actions": 1}, "num_sampled_actions is 1; a choice needs at least 2"),
        ({"num_wide_actions": 20}, "num_wide_actions is 20; .* fewer than the 20"),
        ({"num_wide_actions": -1}, "num_wide_actions is -1"),
        ({"wide_scale": 1.0}, "wide_scale is 1.0; give a finite number above 1"),
        ({"wide_scale": float("inf")}, "wide_scale is inf"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        SamplingConfig(**settings)


def test_a_planners_outcome_says_what_its_choices_stand_for():
    spec = EnvSpec(observation_shape=(3,), action_dim=DIM)
    shape = Shape(ModelConfig(embed_dim=8, num_heads=1, support_size=5), spec)
    config = AgentConfig(model=shape.model, search=SearchConfig(num_simulations=4), sampling=SAMPLING)
    planner = Planner(random_network(shape, 0), config, num_envs=3)
    everyone, nothing = np.arange(3), np.ones((3, 0), bool)
    looks = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    planner.observe(everyone, looks, actions=spec.blank_actions(3), starts=np.ones(3, bool))
    outcome = planner.plan(everyone, nothing, rng=None)
    assert outcome.visit_counts.shape == (3, 7)
    assert outcome.action_sets.shape == (3, 5, 7, DIM)
    np.testing.assert_array_equal(outcome.actions, outcome.action_sets[[0, 1, 2], 0, outcome.chosen])


@pytest.mark.parametrize("engine", ["eager", "native"])
def test_by_the_rule_gumbel_actions_are_considered_by_their_weights(engine):
    """Where all values are equal, what is learnt is the policy over the proposal, and below it all draws are alike."""
    spec = EnvSpec(observation_shape=(3,), action_dim=DIM)
    model, search = (
        ModelConfig(embed_dim=8, num_heads=1, support_size=5),
        SearchConfig(num_simulations=9, rule="gumbel"),
    )
    config = AgentConfig(model=model, search=search, sampling=SAMPLING, engine=engine)
    network = Network(model, spec)  # new: it predicts no rewards and no values
    planner = Planner(network, config, num_envs=3)
    everyone, looks = np.arange(3), np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    planner.observe(everyone, looks, actions=spec.blank_actions(3), starts=np.ones(3, bool))
    outcome = planner.plan(everyone, np.ones((3, 0), bool), rng=np.random.default_rng(5))
    logits = drawn(seed=5, config=SAMPLING, num_nodes=10).offer(0, torch.zeros(3, 2 * DIM)).astype(np.float64)
    np.testing.assert_allclose(outcome.policy, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-4)
    assert ((outcome.visit_counts > 0).sum(axis=1) == 7).all()
    assert (np.diff(outcome.tree.priors[:, 1:], axis=-1) == 0).all()
