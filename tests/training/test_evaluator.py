"""Evaluation against environments whose games and rewards are written down."""

import numpy as np
import pytest
from tests.training.samples import MODEL, tiny_network

from kvzero import AgentConfig, SearchConfig
from kvzero.agent import Planner
from kvzero.envs import Start, Steps
from kvzero.records import EnvSpec
from kvzero.training.evaluator import evaluate

SPEC = EnvSpec(observation_shape=(4,), num_actions=3)
LENGTHS = np.array([2, 5, 3])


class Script:
    """Environment `i` plays games of `LENGTHS[i]` steps; step `t` of its game `g` earns `100 i + 10 g + t`.

    Every second step of a game ends an episode (a life) without ending the game. Action `i` is forbidden.
    """

    spec = SPEC
    num_envs = len(LENGTHS)
    frames_per_second = 30.0

    def __init__(self):
        self.games, self.times = np.zeros(3, np.int64), np.zeros(3, np.int64)
        self.actions, self.seeds, self.num_steps = [], [], 0

    def look(self):
        return np.stack([np.arange(3), self.games, self.times, np.ones(3)], axis=1).astype(np.float32)

    def masks(self):
        return ~np.eye(3, dtype=bool)

    def reset(self, seed=None):
        self.seeds.append(seed)
        return Start(self.look(), self.masks())

    def step(self, actions):
        self.num_steps += 1
        self.actions.append(actions.copy())
        rewards = 100.0 * np.arange(3) + 10 * self.games + self.times
        self.times += 1
        is_over = self.times == LENGTHS
        terminated = is_over | (self.times % 2 == 0)
        final = self.look()
        self.games += is_over
        self.times[is_over] = 0
        return Steps(
            observations=self.look(),
            action_masks=self.masks(),
            rewards=np.zeros(3, np.float32),
            raw_rewards=rewards,
            terminated=terminated,
            truncated=np.zeros(3, bool),
            final_observations=final,
            game_over=is_over,
        )

    def render(self):
        return np.zeros((2, 2, 3), np.uint8)

    def close(self):
        pass


class Strict(Script):
    """A script that allows one action only, another at every step of a game, and refuses all others."""

    def masks(self):
        return np.eye(3, dtype=bool)[(self.games + self.times) % 3]

    def step(self, actions):
        assert self.masks()[np.arange(3), actions].all()
        return super().step(actions)


class Watched(Planner):
    """A planner that writes down whom it was asked for."""

    def __init__(self):
        super().__init__(
            tiny_network(spec=SPEC), AgentConfig(model=MODEL, search=SearchConfig(num_simulations=2)), num_envs=3
        )
        self.planned, self.seen, self.starts = [], [], []

    def observe(self, envs, observations, *, actions, starts):
        self.seen.append({int(env): tuple(row) for env, row in zip(envs, observations, strict=True)})
        self.starts.append({int(env): bool(start) for env, start in zip(envs, starts, strict=True)})
        super().observe(envs, observations, actions=actions, starts=starts)

    def plan(self, envs, action_masks, *, rng):
        assert rng is None
        self.planned.append(envs.tolist())
        return super().plan(envs, action_masks, rng=rng)


def game(env: int, number: int, length: int) -> float:
    return float(sum(100 * env + 10 * number + time for time in range(length)))


def test_every_environment_plays_its_share_and_returns_are_those_of_whole_games():
    envs, planner = Script(), Watched()
    games = evaluate(envs, planner, num_episodes=5, seed=17)
    shares = [(0, 0, 2), (0, 1, 2), (1, 0, 5), (1, 1, 5), (2, 0, 3)]
    assert games.returns == [game(*share) for share in shares]
    assert games.num_cut == 0
    assert envs.seeds == [17]
    assert envs.num_steps == 10  # the longest share: two games of 5 steps


def test_an_environment_that_has_played_its_share_is_not_planned_for():
    planner, told = Watched(), []
    evaluate(Script(), planner, num_episodes=5, seed=0, on_step=lambda playing: told.append(playing.tolist()))
    assert planner.planned == told == [[0, 1, 2]] * 3 + [[0, 1]] + [[1]] * 6


def test_the_planner_sees_what_each_ready_environment_shows_and_where_episodes_start():
    planner = Watched()
    evaluate(Script(), planner, num_episodes=5, seed=0)
    assert planner.seen[7] == {1: (1.0, 1.0, 2.0, 1.0)}
    assert [starts[1] for starts in planner.starts] == [True, False, True, False, True, True, False, True, False, True]


def test_forbidden_actions_are_not_taken():
    envs = Script()
    evaluate(envs, Watched(), num_episodes=3, seed=0)
    assert all(actions[0] != 0 for actions in envs.actions[:2])
    assert all(actions[1] != 1 for actions in envs.actions)


def test_an_environment_that_has_played_its_share_is_still_given_legal_actions_only():
    envs = Strict()
    games = evaluate(envs, Watched(), num_episodes=5, seed=0)
    assert len(games.returns) == 5
    assert envs.num_steps == 10


def test_a_game_at_its_limit_is_cut_and_counted_as_it_stands_and_the_last_of_its_environment():
    envs, planner = Script(), Watched()
    games = evaluate(envs, planner, num_episodes=6, seed=0, max_steps=3)
    assert games.returns == [game(0, 0, 2), game(0, 1, 2), game(1, 0, 3), game(2, 0, 3), game(2, 1, 3)]
    assert games.num_cut == 1
    assert [1 in planned for planned in planner.planned] == [True] * 3 + [False] * 3


def test_every_step_is_told_with_those_who_play_and_a_stop_is_heeded():
    told = []
    envs = Script()
    games = evaluate(
        envs,
        Watched(),
        num_episodes=5,
        seed=0,
        on_step=lambda playing: told.append(playing.tolist()),
        should_stop=lambda: len(told) == 3,
    )
    assert told == [[0, 1, 2]] * 3
    assert envs.num_steps == 3
    assert games.returns == [game(0, 0, 2), game(2, 0, 3)]


def test_evaluation_is_the_same_twice():
    first, second = Script(), Script()
    evaluate(first, Watched(), num_episodes=5, seed=0)
    evaluate(second, Watched(), num_episodes=5, seed=0)
    np.testing.assert_array_equal(first.actions, second.actions)
    assert np.stack(first.actions).dtype == np.int64


@pytest.mark.parametrize("num_episodes", [1, 2])
def test_fewer_games_than_environments_leave_some_out(num_episodes):
    planner = Watched()
    games = evaluate(Script(), planner, num_episodes=num_episodes, seed=0)
    assert len(games.returns) == num_episodes
    assert planner.planned[0] == list(range(num_episodes))
