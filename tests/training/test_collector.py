"""What the collector stores is what happened, and the games that it tells of are whole."""

import numpy as np
import pytest
from tests.training.samples import MODEL, SPEC, tiny_network

from kvzero import AgentConfig, EnvConfig, ReplayConfig, SearchConfig
from kvzero.agent import Planner
from kvzero.envs import make_environments
from kvzero.replay import Replay, build_row_spec
from kvzero.training.collector import Collector

NUM_ENVS, NUM_STEPS = 3, 30
STEP, TRUNCATED, TERMINATED = 1, 2, 3
AGENT = AgentConfig(model=MODEL, search=SearchConfig(num_simulations=4))


class Watched(Planner):
    """A planner that writes down what it was told of actions, and where an episode starts."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.actions, self.starts = [], []

    def observe(self, envs, observations, *, actions, starts):
        self.actions.append(actions.tolist())
        self.starts.append(starts.tolist())
        super().observe(envs, observations, actions=actions, starts=starts)


def collect(planner, persistence=0.0, epsilon=0.0):
    """Return the replay's arrays, and the games that ended, after steps of this planner."""
    envs = make_environments(
        EnvConfig(env_id="tests.training.environments:Ladder", num_envs=NUM_ENVS), num_envs=NUM_ENVS, training=True
    )
    replay = Replay(ReplayConfig(replay_capacity=300), build_row_spec(SPEC), num_envs=NUM_ENVS, seed=0)
    collector = Collector(envs, planner, replay, seed=5, rng=np.random.default_rng(0), persistence=persistence)
    games = [game for _ in range(NUM_STEPS) for game in collector.step(1.0, epsilon)]
    envs.close()
    return replay.state_arrays(), games


@pytest.fixture(scope="module")
def collected():
    """Return the replay's arrays, the games that ended, and where the planner saw episodes start."""
    planner = Watched(tiny_network(), AGENT, num_envs=NUM_ENVS)
    return *collect(planner), np.array(planner.starts)


def test_every_row_holds_what_was_seen_and_done_and_what_it_led_to(collected):
    arrays, _, _ = collected
    for env in range(NUM_ENVS):
        kinds, observations = arrays[f"kinds.{env}"], arrays[f"observations.{env}"]
        actions, rewards = arrays[f"actions.{env}"], arrays[f"rewards.{env}"]
        steps = np.flatnonzero(kinds == STEP)
        assert len(steps) == NUM_STEPS
        np.testing.assert_array_equal(rewards[steps], actions[steps])  # the ladder pays the action's number
        for step in steps[steps < len(kinds) - 1]:
            assert observations[step + 1, 0] == observations[step, 0] + 0.25, "time goes on"
            assert observations[step + 1, 1] == actions[step], "the next observation shows the action"


def test_policies_are_shares_of_visits(collected):
    arrays, _, _ = collected
    policies = arrays["policies.1"][arrays["kinds.1"] == STEP]
    np.testing.assert_allclose(policies.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(policies * 4, np.round(policies * 4), atol=1e-5)


def test_endings_are_kept_apart(collected):
    arrays, _, _ = collected
    endings = [kind for kind in arrays["kinds.0"] if kind in (TRUNCATED, TERMINATED)]
    assert endings[:6] == [TERMINATED, TERMINATED, TRUNCATED] * 2


def test_games_are_told_with_their_return_and_length(collected):
    arrays, games, _ = collected
    wanted = []
    for env in range(NUM_ENVS):
        kinds, rewards = arrays[f"kinds.{env}"], arrays[f"rewards.{env}"]
        ends = np.flatnonzero(kinds != STEP)
        for start, end in zip([-1, *ends[:-1]], ends, strict=True):
            wanted.append((float(rewards[start + 1 : end].sum()), int(end - start - 1)))
    assert sorted((game.raw_return, game.num_steps) for game in games) == sorted(wanted)


def test_the_planner_is_told_of_every_start_whatever_ended_the_episode_before(collected):
    arrays, _, starts = collected
    for env in range(NUM_ENVS):
        kinds = arrays[f"kinds.{env}"]
        follows_an_end = [True, *(kinds[index - 1] != STEP for index in range(1, len(kinds)))]
        of_steps = [start for start, kind in zip(follows_an_end, kinds, strict=True) if kind == STEP]
        assert starts[:NUM_STEPS, env].tolist() == of_steps


def test_what_lasts_is_played_and_stored_and_seen_by_the_planner():
    planner = Watched(tiny_network(), AGENT, num_envs=NUM_ENVS)
    arrays, _ = collect(planner, persistence=1.0)
    for env in range(NUM_ENVS):
        is_step = arrays[f"kinds.{env}"] == STEP
        actions, rewards = arrays[f"actions.{env}"], arrays[f"rewards.{env}"]
        np.testing.assert_array_equal(rewards[is_step], actions[is_step])
        np.testing.assert_array_equal([seen[env] for seen in planner.actions[1:]], actions[is_step])
        begins = np.flatnonzero(is_step & ~np.roll(is_step, 1))  # of an episode
        goes_on = begins[is_step[begins + 1]]
        np.testing.assert_array_equal(actions[goes_on + 1], actions[goes_on])


def test_slips_are_played_and_stored_and_seen_by_the_planner_beside_the_policy_of_the_search():
    planner = Watched(tiny_network(), AGENT, num_envs=NUM_ENVS)
    arrays, _ = collect(planner, persistence=1.0, epsilon=1.0)
    played = []
    for env in range(NUM_ENVS):
        is_step = arrays[f"kinds.{env}"] == STEP
        actions, rewards, policies = (arrays[f"{name}.{env}"][is_step] for name in ("actions", "rewards", "policies"))
        np.testing.assert_array_equal(rewards, actions)
        np.testing.assert_array_equal([seen[env] for seen in planner.actions[1:]], actions)
        np.testing.assert_allclose(policies.sum(axis=1), 1, atol=1e-6)
        played += actions.tolist()
    assert (np.bincount(played) > len(played) / 5).all(), "all actions alike, whatever lasts"
