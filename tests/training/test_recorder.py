"""What an evaluation keeps of its games is what was played, from each environment's first game."""

import numpy as np
import pytest
from tests.training.samples import MODEL, tiny_network
from tests.training.test_evaluator import LENGTHS, SPEC, Script

from kvzero import AgentConfig, SearchConfig
from kvzero.agent import Planner
from kvzero.training.evaluator import evaluate
from kvzero.training.recorder import Recorder

AGENT = AgentConfig(model=MODEL, search=SearchConfig(num_simulations=3))


class Rewarding(Script):
    """The script, whose rewards to learn from are not those that are counted."""

    def step(self, actions):
        steps = super().step(actions)
        steps.rewards[:] = steps.raw_rewards / 1000
        return steps


def recorded(max_steps: int) -> tuple[Recorder, Rewarding, Planner, list]:
    envs, network = Rewarding(), tiny_network(spec=SPEC)
    planner, read = Planner(network, AGENT, num_envs=3), []
    recorder = Recorder(3, max_steps=max_steps)

    def note(playing):
        read.append(dict(zip(playing.tolist(), planner.engine.readings(playing).values.tolist(), strict=True)))

    evaluate(envs, planner, num_episodes=6, seed=0, recorder=recorder, on_step=note)
    return recorder, envs, planner, read


def test_the_first_game_of_each_environment_is_kept_episode_by_episode():
    recorder, envs, _, read = recorded(100)
    # every second step ends an episode, and the last one of a game
    assert [len(episode.rewards) for episode in recorder.episodes] == [2, 2, 2, 1, 2, 1]
    assert [episode.is_terminated for episode in recorder.episodes] == [True] * 6
    steps = [(env, time) for env, length in enumerate(LENGTHS) for time in range(length)]
    kept = [(episode, place) for episode in recorder.episodes for place in range(len(episode.rewards))]
    for (env, time), (episode, place) in zip(steps, kept, strict=True):
        np.testing.assert_array_equal(episode.observations[place], [env, 0, time, 1])
        np.testing.assert_array_equal(episode.observations[place + 1], [env, 0, time + 1, 1])
        assert episode.actions[place] == envs.actions[time][env]
        assert episode.rewards[place] == pytest.approx((100 * env + time) / 1000)
        assert episode.values[place] == read[time][env]


def test_no_more_steps_are_kept_than_asked_for():
    recorder, *_ = recorded(3)
    assert [len(episode.rewards) for episode in recorder.episodes] == [2, 2, 1, 2, 1]
    assert [episode.is_terminated for episode in recorder.episodes] == [True, True, False, True, True]
