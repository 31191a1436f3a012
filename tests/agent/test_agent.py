"""The agent that a user holds: it acts as the planner plans, keeps its episodes apart, and refuses nonsense."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.environments import ACTIONS, FEATURES
from tests.training.samples import MODEL, SPEC, tiny_network

from kvzero import Agent, AgentConfig, ModelConfig, SearchConfig
from kvzero.agent import Planner
from kvzero.errors import ConfigError, DeviceError, EnvError, RunError
from kvzero.records import EnvSpec

CONFIG = AgentConfig(model=MODEL, search=SearchConfig(num_simulations=2), num_eval_simulations=9)
IMAGE = EnvSpec(observation_shape=(3, 16, 16), num_actions=2)


def looks(num_steps: int, num_envs: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num_steps, num_envs, FEATURES)).astype(np.float32)


def agent_of(num_envs: int = 1, spec: EnvSpec = SPEC) -> Agent:
    """Return an agent whose encoder has what its kind of observation has settings for."""
    model = replace(MODEL, encoder_width=ModelConfig().encoder_width) if spec.is_image else MODEL
    return Agent(tiny_network(3, model, spec), replace(CONFIG, model=model), num_envs=num_envs)


def root_logits(agent: Agent) -> list[float]:
    """Return the root's logits, which show what the agent remembers."""
    return agent._planner.engine.readings(np.arange(agent.num_envs)).policy_logits.tolist()


def test_an_agent_acts_as_a_planner_with_the_evaluation_simulations():
    agent, planner = agent_of(4), Planner(tiny_network(3), CONFIG, num_envs=4, num_simulations=9)
    everyone, actions = np.arange(4), np.zeros(4, np.int64)
    masks = np.ones((4, ACTIONS), bool)
    masks[1:, 0] = False  # so that an agent that forgets its actions, or takes them for 0, is found out
    for step, seen in enumerate(looks(6, 4)):
        planner.observe(everyone, seen, actions=actions, starts=np.full(4, step == 0))
        actions = planner.plan(everyone, masks, rng=None).actions
        np.testing.assert_array_equal(agent.act(seen, action_masks=masks), actions)
        np.testing.assert_array_equal(root_logits(agent), planner.engine.readings(everyone).policy_logits)


def test_one_environment_may_show_a_single_observation_and_gets_an_int():
    single, batch = agent_of(), agent_of()
    for (seen,) in looks(4, 1):
        action = single.act(seen)
        assert type(action) is int
        batched = batch.act(seen[None])
        assert isinstance(batched, np.ndarray)
        assert batched.tolist() == [action]


def test_environments_do_not_see_each_other():
    together, apart = agent_of(2), [agent_of(), agent_of()]
    for seen in looks(5, 2):
        assert together.act(seen).tolist() == [agent.act(one) for agent, one in zip(apart, seen, strict=True)]


def test_reset_forgets_all_episodes_or_those_given():
    seen = looks(4, 2)
    agent, fresh, kept = agent_of(2), agent_of(2), agent_of(2)
    for some in (agent, kept):
        for look in seen[:3]:
            some.act(look)
    agent.reset(np.array([1]))
    for some in (agent, fresh, kept):
        some.act(seen[3])
    np.testing.assert_allclose(root_logits(agent)[1], root_logits(fresh)[1], atol=1e-6)
    np.testing.assert_allclose(root_logits(agent)[0], root_logits(kept)[0], atol=1e-6)
    assert root_logits(kept)[1] != pytest.approx(root_logits(fresh)[1], abs=1e-6)
    agent.reset()
    agent.act(seen[3])
    np.testing.assert_allclose(root_logits(agent), root_logits(fresh), atol=1e-6)


def test_where_a_mask_is_true_an_episode_begins():
    agent, twin = agent_of(2), agent_of(2)
    for look in looks(3, 2):
        agent.act(look)
        twin.act(look)
    agent.reset(np.array([True, False]))
    twin.reset(np.array([0]))
    for some in (agent, twin):
        some.act(looks(1, 2)[0])
    np.testing.assert_array_equal(root_logits(agent), root_logits(twin))
    agent.reset(np.array([], np.int64))
    agent.reset(np.array([False, False]))
    assert not agent._starts.any()


@pytest.mark.parametrize("envs", [np.array([2]), np.array([-1]), np.array([True])])
def test_an_environment_that_there_is_not_cannot_begin_anew(envs):
    agent = agent_of(2)
    agent.act(looks(1, 2)[0])
    with pytest.raises(ConfigError, match="give numbers from 0 to 1, or a mask of 2"):
        agent.reset(envs)
    assert not agent._starts.any()


def test_masked_actions_are_not_taken():
    agent = agent_of(3)
    masks = np.eye(ACTIONS, dtype=bool)[[2, 0, 1]]
    assert agent.act(looks(1, 3)[0], action_masks=masks).tolist() == [2, 0, 1]
    assert agent_of().act(looks(1, 1)[0, 0], action_masks=np.array([False, True, False])) == 1
    assert agent_of().act(looks(1, 1)[0, 0], action_masks=np.array([[False, False, True]])) == 2


def test_numbers_of_other_types_are_read():
    seen = looks(1, 1)[0, 0].round()
    assert agent_of().act(seen.astype(np.int64)) == agent_of().act(seen.astype(np.float64)) == agent_of().act(seen)


@pytest.mark.parametrize(
    ("observations", "message"),
    [
        (np.zeros(FEATURES + 1), "shape"),
        (np.zeros(FEATURES), "shape"),  # a single one, of two environments
        (np.zeros((3, FEATURES)), "shape"),
        (np.zeros((FEATURES, 2)), "shape"),
        (np.full((2, FEATURES), np.nan), "NaN or infinite"),
        (np.full((2, FEATURES), 1e300), "NaN or infinite"),
        (np.full((2, FEATURES), 1j), "complex128; this agent reads real numbers"),
        (np.full((2, FEATURES), "1"), "<U1; this agent reads real numbers"),
    ],
)
def test_observations_that_cannot_be_read_are_refused_and_forgotten(observations, message):
    agent, twin = agent_of(2), agent_of(2)
    with pytest.raises(ConfigError, match=message):
        agent.act(observations)
    for seen in looks(3, 2):
        np.testing.assert_array_equal(agent.act(seen), twin.act(seen))
    np.testing.assert_array_equal(root_logits(agent), root_logits(twin))


def test_numbers_too_large_for_the_encoder_are_refused_and_forgotten():
    agent, twin = agent_of(2), agent_of(2)
    seen = looks(3, 2)
    seen[0, 1, 4] = -3e38
    with pytest.raises(EnvError, match=r"environment 1 shows -3e\+38 as its feature 4.*--normalize-observations True"):
        agent.act(seen[0])
    for look in seen[1:]:
        np.testing.assert_array_equal(agent.act(look), twin.act(look))
    np.testing.assert_array_equal(root_logits(agent), root_logits(twin))


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.ones(ACTIONS, bool), "shape"),
        (np.ones((ACTIONS, 2), bool), "shape"),
        (np.ones(2 * ACTIONS, bool), "shape"),
        (np.array([[True] * ACTIONS, [False] * ACTIONS]), "no action"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, message):
    with pytest.raises(ConfigError, match=message):
        agent_of(2).act(looks(1, 2)[0], action_masks=masks)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([0, -np.inf, 0], r"action_masks holds -inf; .* numbers == 0"),
        ([1, np.nan, 0], "holds nan"),
        (["1", "0", "1"], "holds '1'"),
        ([0, 2, 1], "holds 2"),
        ([2], "holds 2"),
        ([1, [0], 1], "is no array"),
    ],
)
def test_masks_that_are_no_flags_are_refused_and_forgotten(mask, message):
    agent, twin, seen = agent_of(), agent_of(), looks(1, 1)[0, 0]
    with pytest.raises(ConfigError, match=message):
        agent.act(seen, action_masks=mask)
    assert (
        agent.act(seen, action_masks=[0, 1.0, False])
        == twin.act(seen, action_masks=np.array([False, True, False]))
        == 1
    )
    np.testing.assert_array_equal(root_logits(agent), root_logits(twin))


def test_images_must_be_bytes():
    agent = agent_of(1, IMAGE)
    assert agent.act(np.full((3, 16, 16), 9, np.uint8)) in (0, 1)
    with pytest.raises(ConfigError, match=r"float64.*uint8"):
        agent.act(np.full((3, 16, 16), 0.5))


def test_images_of_flags_must_be_flags():
    agent = agent_of(1, EnvSpec(observation_shape=(3, 6, 7), pixels="flags", num_actions=2))
    assert agent.act(np.ones((3, 6, 7), bool)) in (0, 1)
    with pytest.raises(ConfigError, match=r"observations are uint8; this agent reads images of flags, bool"):
        agent.act(np.ones((3, 6, 7), np.uint8))


@pytest.mark.parametrize("wrong", [1.5, -3])
def test_images_of_floats_must_be_within_their_bounds(wrong):
    spec = EnvSpec(observation_shape=(1, 6, 7), pixels="floats", pixel_bounds=((-2.0, 1.0),), num_actions=2)
    agent, image = agent_of(1, spec), np.zeros((1, 6, 7))
    assert agent.act(image) in (0, 1)
    image[0, 3, 4] = wrong
    with pytest.raises(ConfigError, match=rf"observations hold {wrong}, outside the bounds .* in \(-2.0, 1.0\)"):
        agent.act(image)


def test_an_agent_acts_on_after_its_network_has_changed():
    agent = agent_of(2)
    for seen in looks(3, 2):
        agent.act(seen)
        with torch.no_grad():
            agent.network.action_table.weight.mul_(1.1)
    assert agent.act(looks(1, 2)[0]).shape == (2,)


def test_a_finished_run_is_loaded_and_acts_as_its_checkpoint_does(trained_run):
    agent, several = Agent.load(trained_run), Agent.load(str(trained_run), num_envs=2)
    assert agent.network.spec == SPEC
    assert agent.config == AgentConfig(model=MODEL, search=SearchConfig(num_simulations=3))
    for (seen,) in looks(4, 1):
        assert several.act(np.stack([seen, seen])).tolist() == [agent.act(seen)] * 2


def test_loading_names_what_is_wrong(trained_run, tmp_path):
    with pytest.raises(RunError, match="is not a folder"):
        Agent.load(tmp_path / "nowhere")
    with pytest.raises(DeviceError, match="cuda:9"):
        Agent.load(trained_run, device="cuda:9")
    with pytest.raises(ConfigError, match="num_envs=0"):
        Agent.load(trained_run, num_envs=0)
