"""Targets against loops over episodes, however the episodes end."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.environments import ACTIONS
from tests.training.samples import MODEL

from kvzero import Network, ReplayConfig
from kvzero.records import EnvSpec
from kvzero.replay import Replay, StepBatch, build_row_spec
from kvzero.training.learning.targets import (
    Unroll,
    bootstrap_rows,
    find_unsearched,
    make_targets,
    n_step_returns,
    prefer_searches,
    read_search_values,
    segment_steps,
    to_device,
)

NUM_STEPS, BOOTSTRAP = 3, 4
NUM_ROWS = segment_steps(NUM_STEPS, BOOTSTRAP) + 1
SPEC = EnvSpec(observation_shape=(4,), num_actions=ACTIONS)
NUM_ENVS = 2


def slow_return(rewards, values, end, terminated, *, start, discount):
    """Add rewards up to the end or the bootstrap, then the value there; None where nothing is known."""
    if start >= end:
        return 0.0 if terminated else None
    total = 0.0
    for ahead in range(BOOTSTRAP):
        if start + ahead == end:
            return total if terminated else total + discount**ahead * values[end]
        total += discount**ahead * rewards[start + ahead]
    if start + BOOTSTRAP == end and terminated:
        return total
    return total + discount**BOOTSTRAP * values[start + BOOTSTRAP]


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(st.integers(1, NUM_ROWS - 1), st.booleans()), min_size=1, max_size=5),
    discount=st.sampled_from([0.0, 0.3, 0.997, 1.0]),
    seed=st.integers(0, 99),
)
def test_n_step_returns_equal_a_loop_over_every_episode(rows, discount, seed):
    rng = np.random.default_rng(seed)
    rewards, values = rng.normal(size=(2, len(rows), NUM_ROWS)).astype(np.float32)
    unroll = Unroll(
        fields={"rewards": torch.from_numpy(rewards)},
        ends=torch.tensor([end for end, _ in rows]),
        terminated=torch.tensor([terminated for _, terminated in rows]),
    )
    bootstrap = bootstrap_rows(unroll, num_steps=NUM_STEPS, bootstrap_steps=BOOTSTRAP)
    last_values = torch.from_numpy(values).gather(1, bootstrap)
    found = n_step_returns(unroll, last_values, bootstrap_steps=BOOTSTRAP, discount=discount)
    assert found.shape == (len(rows), NUM_STEPS)
    for row, (end, terminated) in enumerate(rows):
        for start in range(NUM_STEPS):
            wanted = slow_return(rewards[row], values[row], end, terminated, start=start, discount=discount)
            if wanted is not None:
                assert found[row, start].item() == pytest.approx(wanted, abs=1e-5)


class Oracle(Network):
    """Takes an observation's first numbers for its latent, and its first number for its value."""

    def __init__(self) -> None:
        super().__init__(MODEL, SPEC)

    def encode(self, observations):
        return torch.nn.functional.pad(observations, (0, MODEL.embed_dim - observations.shape[1]))

    def read_values(self, latents, actions, steps, *, plainly):
        return latents[..., 0].gather(1, steps)


class Recorder:
    """Plays random episodes into a replay, and keeps each as a list of steps with its end."""

    def __init__(self, seed: int, num_steps: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.replay = self.build_replay(seed)
        self.episodes = {}  # by the name of an episode: observations, rewards, policies, how it ended
        self.names = [self.begin() for _ in range(NUM_ENVS)]
        for _ in range(num_steps):
            self.step()

    def build_replay(self, seed: int) -> Replay:
        return Replay(ReplayConfig(replay_capacity=400), build_row_spec(SPEC), num_envs=NUM_ENVS, seed=seed)

    def more_fields(self, observations: np.ndarray) -> dict[str, np.ndarray]:
        """Return what else a row keeps."""
        del observations
        return {}

    def begin(self) -> int:
        name = len(self.episodes)
        self.episodes[name] = {"observations": [], "rewards": [], "policies": [], "ending": "running"}
        self.episodes[name]["observations"].append(self.look(name))
        return name

    def look(self, name: int) -> np.ndarray:
        return np.array([self.rng.normal(), name, len(self.episodes[name]["observations"]), 7], np.float32)

    def step(self) -> None:
        episodes = [self.episodes[name] for name in self.names]
        chance = self.rng.random(NUM_ENVS)
        terminated, truncated = chance < 0.2, chance > 0.85
        fields = {
            "observations": np.stack([episode["observations"][-1] for episode in episodes]),
            "rewards": self.rng.normal(size=NUM_ENVS).astype(np.float32),
            "policies": self.rng.dirichlet(np.ones(ACTIONS), size=NUM_ENVS).astype(np.float32),
            "actions": self.rng.integers(ACTIONS, size=NUM_ENVS),
        }
        fields |= self.more_fields(fields["observations"])
        for env, episode in enumerate(episodes):
            episode["rewards"].append(float(fields["rewards"][env]))
            episode["policies"].append(fields["policies"][env])
            episode["observations"].append(self.look(self.names[env]))
        final_observations = np.stack([episode["observations"][-1] for episode in episodes])
        self.replay.add(
            StepBatch(fields=fields, terminated=terminated, truncated=truncated, final_observations=final_observations)
        )
        for env in np.flatnonzero(terminated | truncated):
            episodes[env]["ending"] = "terminated" if terminated[env] else "truncated"
            self.names[env] = self.begin()


def slow_targets(episode, start, discount):
    """Return what is to be known of the step `start` of an episode, by hand; None where nothing is."""
    terminated = episode["ending"] == "terminated"
    # of a running episode the newest row's successor has not come to the replay yet
    end = len(episode["rewards"]) - (episode["ending"] == "running")
    values = [observation[0] for observation in episode["observations"]]
    value = slow_return(episode["rewards"], values, end, terminated, start=start, discount=discount)
    if start < end:
        return value, episode["rewards"][start], episode["policies"][start], episode["observations"][start + 1]
    return (value, 0.0, None, episode["observations"][end]) if terminated else None


@settings(max_examples=25)
@given(seed=st.integers(0, 999), num_steps=st.integers(2, 25), discount=st.sampled_from([0.5, 0.997]))
def test_targets_of_replayed_segments_equal_those_of_the_episodes_that_were_played(seed, num_steps, discount):
    recorder = Recorder(seed, num_steps)
    unroll = to_device(recorder.replay.sample(16, num_steps=NUM_ROWS - 1), torch.device("cpu"))
    targets = make_targets(
        unroll,
        Oracle(),
        num_steps=NUM_STEPS,
        bootstrap_steps=BOOTSTRAP,
        discount=discount,
    )
    steps = unroll.first(NUM_STEPS)
    for row in range(16):
        _, name, start, _ = unroll.fields["observations"][row, 0]
        for step in range(NUM_STEPS):
            wanted = slow_targets(recorder.episodes[int(name)], int(start) + step, discount)
            assert bool(targets.is_known[row, step]) == (wanted is not None)
            if wanted is None:
                assert not targets.is_real[row, step]
                continue
            value, reward, policy, after = wanted
            assert bool(targets.is_real[row, step]) == (policy is not None)
            assert targets.values[row, step].item() == pytest.approx(value, abs=1e-5)
            assert steps["rewards"][row, step].item() == pytest.approx(reward, abs=1e-6)
            np.testing.assert_array_equal(targets.latents[row, step, :4], after)
            if policy is not None:
                np.testing.assert_array_equal(steps["policies"][row, step], policy)


def test_a_segment_is_just_long_enough_for_the_last_bootstrap():
    assert segment_steps(NUM_STEPS, BOOTSTRAP) == NUM_STEPS - 1 + BOOTSTRAP
    assert segment_steps(1, 1) == 1


def test_no_discount_leaves_the_next_reward_alone():
    unroll = Unroll(
        fields={"rewards": torch.arange(1.0, NUM_ROWS + 1)[None]},
        ends=torch.tensor([NUM_ROWS - 1]),
        terminated=torch.tensor([False]),
    )
    values = torch.full((1, NUM_STEPS), math.pi)
    found = n_step_returns(unroll, values, bootstrap_steps=BOOTSTRAP, discount=0.0)
    assert found.tolist() == [[1.0, 2.0, 3.0]]


class Searched(Recorder):
    """Plays into a replay that keeps searches, whose values are 1000 more than the network's."""

    def __init__(self, seed: int, num_steps: int) -> None:
        self.num_collected = 0
        super().__init__(seed, num_steps)

    def build_replay(self, seed: int) -> Replay:
        return Replay(
            ReplayConfig(replay_capacity=400), build_row_spec(SPEC, keeps_searches=True), num_envs=NUM_ENVS, seed=seed
        )

    def more_fields(self, observations: np.ndarray) -> dict[str, np.ndarray]:
        made_by = np.full(NUM_ENVS, self.num_collected)
        self.num_collected += 1
        return {
            "search_values": observations[:, 0] + 1000,
            "collected_at": made_by,
            "judged_at": made_by,
            "action_masks": np.ones((NUM_ENVS, ACTIONS), bool),
        }


@settings(max_examples=25)
@given(seed=st.integers(0, 999), num_steps=st.integers(2, 25), discount=st.sampled_from([0.5, 0.997]))
def test_returns_end_with_what_searches_found_and_where_an_episode_was_cut_off_with_the_networks_value(
    seed, num_steps, discount
):
    recorder = Searched(seed, num_steps)
    segments = recorder.replay.sample(16, num_steps=NUM_ROWS - 1)
    unroll = to_device(segments, torch.device("cpu"))
    unsearched = find_unsearched(segments)
    values = read_search_values(unroll, Oracle(), torch.from_numpy(unsearched))
    sizes = {"num_steps": NUM_STEPS, "bootstrap_steps": BOOTSTRAP, "discount": discount}
    targets = make_targets(unroll, Oracle(), **sizes, values=values)
    plain = make_targets(unroll, Oracle(), **sizes)
    torch.testing.assert_close(targets.latents, plain.latents)
    for row in range(16):
        _, name, start, _ = segments.fields["observations"][row, 0]
        episode = recorder.episodes[int(name)]
        ending = episode["ending"]
        observed = [observation[0] for observation in episode["observations"]]
        found = [value + 1000 for value in observed[:-1]] + observed[-1:]  # the last one was never searched
        end = len(episode["rewards"]) - (ending == "running")
        assert (row in unsearched) == (ending == "truncated" and end - int(start) < NUM_ROWS)
        for step in range(NUM_STEPS):
            at = {"start": int(start) + step, "discount": discount}
            value = slow_return(episode["rewards"], found, end, ending == "terminated", **at)
            if value is not None and targets.is_known[row, step]:
                assert targets.values[row, step].item() == pytest.approx(value, abs=1e-3)


@settings(max_examples=10)
@given(seed=st.integers(0, 999), collected_before=st.integers(-1, 30))
def test_only_steps_that_are_old_enough_are_worth_what_searches_found(seed, collected_before):
    recorder = Searched(seed, 25)
    unroll = to_device(recorder.replay.sample(16, num_steps=NUM_ROWS - 1), torch.device("cpu"))
    targets = make_targets(unroll, Oracle(), num_steps=NUM_STEPS, bootstrap_steps=BOOTSTRAP, discount=0.9)
    mixed = prefer_searches(targets, unroll, collected_before=collected_before)
    for row in range(16):
        for step in range(NUM_STEPS):
            is_old = bool(targets.is_real[row, step]) and unroll.fields["collected_at"][row, step] < collected_before
            wanted = unroll.fields["search_values"] if is_old else targets.values
            assert mixed.values[row, step] == wanted[row, step]
