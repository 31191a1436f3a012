"""Runs with continuous actions: the same bits for the same seed, resumed whole, and history reaches the plan."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.training.environments import Recall
from tests.training.samples import LEARNER, continuous_config, tiny_config
from tests.training.test_train import Stopper, history, weights

import kvzero
from kvzero import Agent, AgentConfig, LearnerConfig, ModelConfig, Network, ReplayConfig, SearchConfig
from kvzero.agent import Planner, newest_checkpoint
from kvzero.engines import SamplingConfig
from kvzero.envs import EnvConfig, Environments, make_environments
from kvzero.model import read_gaussian
from kvzero.replay import Replay, StepBatch, build_row_spec
from kvzero.reports import read_metrics
from kvzero.training import Learner, evaluate

NUM_SAMPLED = 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return kvzero.train(continuous_config(tmp_path_factory.mktemp("runs"), run_name="continuous")).run


def test_the_same_seed_gives_the_same_run_bit_for_bit(run, tmp_path):
    again = kvzero.train(continuous_config(tmp_path, run_name="again")).run
    assert history(again) == history(run)
    first, second = weights(run), weights(again)
    assert [name for name in first if not np.array_equal(first[name], second[name])] == []
    assert any("action_sets" in name for name in first)


def test_a_run_that_was_stopped_goes_on_with_its_replay_and_its_normalisation(tmp_path):
    finished = kvzero.train(continuous_config(tmp_path, run_name="stopped"), observer=Stopper(at=22))
    assert finished.summary is None
    statistics = load_file(newest_checkpoint(finished.run) / "weights.safetensors")
    assert statistics["encoder.normaliser.count"] == 24
    finished = kvzero.resume(finished.run)
    assert finished.summary is not None
    assert (finished.summary.env_steps, finished.summary.updates) == (40, 7)
    checkpoint = newest_checkpoint(finished.run)
    statistics, target = (load_file(checkpoint / f"{name}.safetensors") for name in ("weights", "target"))
    assert statistics["encoder.normaliser.count"] == 40
    for name in ("mean", "variance", "count"):
        np.testing.assert_array_equal(statistics[f"encoder.normaliser.{name}"], target[f"encoder.normaliser.{name}"])
    replay = load_file(checkpoint / "replay.safetensors")
    seen = np.concatenate([replay[f"observations.{env}"][replay[f"kinds.{env}"] == 1] for env in range(2)])
    if len(seen) == 40:  # the replay still holds every observation that was acted on
        np.testing.assert_allclose(statistics["encoder.normaliser.mean"], seen.mean(0), atol=1e-5)


def test_a_run_that_was_stopped_before_it_learnt_normalises_by_all_that_it_saw(tmp_path):
    stopped = kvzero.train(continuous_config(tmp_path, run_name="stopped"), observer=Stopper(at=8)).run
    checkpoint = newest_checkpoint(stopped)
    replay, unseen = (load_file(checkpoint / f"{name}.safetensors") for name in ("replay", "unseen"))
    acted_on = [replay[f"observations.{env}"][replay[f"kinds.{env}"] == 1] for env in range(2)]
    np.testing.assert_array_equal(unseen["observations"], np.stack(acted_on, axis=1).reshape(8, -1))
    kvzero.resume(stopped)
    assert load_file(newest_checkpoint(stopped) / "weights.safetensors")["encoder.normaliser.count"] == 40


def test_the_agent_of_a_run_acts_in_the_environments_own_units(run):
    agent, several = Agent.load(run), Agent.load(run, num_envs=2)
    look = np.ones(5, np.float32)
    action = agent.act(look)
    assert action.shape == (2,)
    assert -2 <= action[0] <= 2
    assert 0 <= action[1] <= 1
    np.testing.assert_allclose(several.act(np.stack([look, look])), [action, action], rtol=1e-5)
    assert json.loads((newest_checkpoint(run) / "agent.json").read_text())["spec"]["action_bounds"] == [
        [-2, 2],
        [0, 1],
    ]
    with pytest.raises(kvzero.errors.ConfigError, match="action_masks would have no effect"):
        agent.act(look, action_masks=np.ones(2, bool))


def test_resident_memory_stays_as_it_is_once_the_replay_is_full(tmp_path):
    config = continuous_config(
        tmp_path, total_env_steps=160, eval_every=160, checkpoint_every=40, log_every=20, replay_ratio=0.1
    )
    finished = kvzero.train(replace(config, replay=ReplayConfig(replay_capacity=40)))
    held = {line["env_steps"]: line["rss_bytes"] for line in read_metrics(finished.run) if "rss_bytes" in line}
    assert held[160] < 1.05 * held[60]


def test_sampling_is_refused_where_actions_are_numbered(tmp_path):
    config = tiny_config(tmp_path / "runs", run_name="no")
    sampling = SamplingConfig(num_sampled_actions=9)
    with pytest.raises(kvzero.errors.ConfigError, match="would have no effect"):
        kvzero.train(replace(config, agent=replace(config.agent, sampling=sampling)))
    assert not (tmp_path / "runs").exists()


MODEL = ModelConfig(
    embed_dim=32, num_layers=2, num_heads=2, context_tokens=12, support_size=21, encoder_width=32
)  # fmt: skip
AGENT = AgentConfig(
    model=MODEL,
    search=SearchConfig(num_simulations=16, discount=0.5),
    sampling=SamplingConfig(num_sampled_actions=NUM_SAMPLED, num_wide_actions=0),
)


def recall(num_envs: int) -> Environments:
    return make_environments(EnvConfig(env_id="tests.training.environments:Recall"), num_envs=num_envs, training=True)


def record(num_steps: int, num_envs: int = 4) -> Replay:
    """Return a replay of random steps."""
    envs, rng = recall(num_envs), np.random.default_rng(0)
    row_spec = build_row_spec(envs.spec, num_sampled_actions=NUM_SAMPLED)
    replay = Replay(ReplayConfig(replay_capacity=4_000), row_spec, num_envs=num_envs, seed=0)
    observations = envs.reset(0).observations
    for _ in range(num_steps):
        sets = rng.uniform(-1, 1, (num_envs, NUM_SAMPLED, 1)).astype(np.float32)
        steps = envs.step(sets[:, 0])
        fields = {
            "observations": observations, "actions": sets[:, 0], "action_sets": sets, "rewards": steps.rewards,
            "policies": np.full((num_envs, NUM_SAMPLED), 1 / NUM_SAMPLED),
        }  # fmt: skip
        replay.add(
            StepBatch(
                fields=fields,
                terminated=steps.terminated,
                truncated=steps.truncated,
                final_observations=steps.final_observations,
            )
        )
        observations = steps.observations
    return replay


@pytest.fixture(scope="module")
def learnt() -> Network:
    """Return a network that has learnt from random play what the first observation of an episode means."""
    torch.manual_seed(0)
    replay, envs = record(300), recall(1)
    config = LearnerConfig(
        batch_size=64, unroll_steps=3, bootstrap_steps=1, learning_rate=3e-3,
        latent_weight=1.0, policy_weight=0.01,
    )  # fmt: skip
    learner = Learner(Network(MODEL, envs.spec), config, discount=0.5, total_updates=250)
    for _ in range(250):
        learner.update(replay.sample(64, num_steps=learner.segment_steps))
    return learner.network


def test_history_reaches_the_plan_and_ends_at_the_episodes_end(learnt):
    """Two environments show the same but for the first observation, and all that is planned depends on that one."""
    planner, everyone = Planner(learnt, AGENT, num_envs=2), np.arange(2)
    nothing, taken = np.ones((2, 0), bool), np.zeros((2, 1), np.float32)

    def see(*firsts: float, time: int) -> np.ndarray:
        looks = np.array([[first, time / Recall.STEPS] for first in firsts], np.float32)
        planner.observe(everyone, looks, actions=taken, starts=np.full(2, time == 0))
        outcome = planner.plan(everyone, nothing, rng=None)
        return np.array([outcome.tree.rewards[env, 1:].mean() for env in everyone])

    for good, bad in ((0, 1), (1, 0), (1, 0)):
        cues = np.where(everyone == good, 1.0, -1.0)
        for time in range(Recall.STEPS):
            rewards = see(*(cues if time == 0 else (0, 0)), time=time)
            assert rewards[good] > 1.5, (time, rewards)
            assert rewards[bad] < -1.5, (time, rewards)
    for time in range(Recall.STEPS):
        left, right = see(*((1, 1) if time == 0 else (0, 0)), time=time)
        assert left == pytest.approx(right, abs=1e-6)


def test_the_plan_finds_the_action_that_is_worth_most(learnt):
    envs = recall(3)
    games = evaluate(envs, Planner(learnt, AGENT, num_envs=3), num_episodes=12, seed=5)
    returns = np.array(games.returns)
    earned_by_actions = returns - 9 * np.sign(returns)  # cues are worth 9 or -9 in an episode
    assert earned_by_actions.min() > 1, returns  # of 3


def test_the_policy_moves_towards_the_actions_that_were_visited():
    """All visits of every search went to actions near 0.6: the policy's mean gets there, and its scale falls."""
    torch.manual_seed(0)
    envs, replay = recall(1), record(40)
    config = LearnerConfig(batch_size=32, unroll_steps=3, bootstrap_steps=1, learning_rate=3e-3, policy_weight=1.0)
    learner = Learner(Network(MODEL, envs.spec), config, discount=0.5, total_updates=10_000)
    for _ in range(40):
        segments = replay.sample(32, num_steps=learner.segment_steps)
        segments.fields["action_sets"][:] = 0.6 + 0.02 * segments.fields["action_sets"]
        figures = learner.update(segments)
    with torch.no_grad():
        latents = learner.network.encode(torch.zeros(1, 2))[:, None]
        policy = read_gaussian(learner.network(latents, torch.zeros(1, 1, 1)).policy_logits[0, 0])
    assert policy.means.tanh().item() == pytest.approx(0.6, abs=0.1)
    assert policy.log_scales.item() < -1
    assert figures["policy_entropy"] < -0.5


def test_the_policy_loss_is_the_mean_log_density_of_what_was_visited():
    learner = Learner(Network(MODEL, recall(1).spec), LEARNER, discount=0.5, total_updates=9)
    with torch.no_grad():
        learner.network.latent_head.second.bias.copy_(torch.tensor([0.7, -1.1]))
    segments = record(30).sample(5, num_steps=learner.segment_steps)
    scale = np.exp(-3 + 4 / (1 + np.exp(1.1) / 3))
    losses = []
    for row in range(5):
        for time in range(min(LEARNER.unroll_steps, segments.ends[row])):
            actions = segments.fields["action_sets"][row, time, :, 0].astype(np.float64).clip(-np.tanh(4), np.tanh(4))
            distances = (np.arctanh(actions) - 3 * np.tanh(0.7 / 3)) / scale
            density = -0.5 * distances**2 - np.log(scale * np.sqrt(2 * np.pi)) - np.log(1 - actions**2)
            losses.append(-(segments.fields["policies"][row, time] * density).sum())
    assert learner.update(segments)["loss_policy"].item() == pytest.approx(np.mean(losses), rel=1e-3)
