"""How Atari games are cut into episodes and rewarded, on games that follow a script of lives."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium.spaces import Discrete

from kvzero.envs import EnvConfig
from kvzero.envs.adapters import AtariEnvironments, atari

ATARI = EnvConfig(env_id="ALE/Pong-v5")


class FakeGames:
    """Games that show a count of all their steps, and whose lives follow a script until they are over at "x"."""

    single_action_space = Discrete(3)

    def __init__(self, scripts, rewards):
        self.scripts, self.rewards = scripts, rewards
        self.ages, self.counts = np.zeros(len(scripts), int), np.zeros(len(scripts), int)

    def look(self):
        return np.broadcast_to(self.counts[:, None, None, None, None].astype(np.uint8), (len(self.scripts), 1, 4, 4, 3))

    def marks(self):
        return [script[age] for script, age in zip(self.scripts, self.ages, strict=True)]

    def info(self):
        return {"lives": np.array([int(mark) for mark in self.marks()], np.int32)}

    def reset(self, *, seed=None, options=None):
        self.ages[options["reset_mask"] if options else slice(None)] = 0
        return self.look().copy(), self.info()

    def step(self, actions):
        self.ages += 1
        self.counts += 1
        over = np.array([mark == "x" for mark in self.marks()])
        final = {"final_obs": self.look().copy()} if over.any() else {}
        self.ages[over] = 0
        self.counts[over] += 100
        return self.look().copy(), np.array(self.rewards, np.int32), over, np.zeros_like(over), self.info() | final


@pytest.fixture
def ends(monkeypatch):
    """Play a script, and mark each step t (terminated), c (truncated), g (game over) in any combination."""

    def run(*scripts, num_steps, training=True, **settings):
        games = FakeGames(scripts, rewards=[-7, 0, 4][: len(scripts)])
        monkeypatch.setattr(atari, "_make_games", lambda config, num_envs, size: games)
        config = replace(ATARI, image_size=4, **settings)
        envs = AtariEnvironments(config, num_envs=len(scripts), training=training, render=False)
        envs.reset(seed=0)
        marks = [""] * len(scripts)
        for _ in range(num_steps):
            steps = envs.step(np.zeros(len(scripts), np.int64))
            for env in range(len(scripts)):
                flags = {"t": steps.terminated[env], "c": steps.truncated[env], "g": steps.game_over[env]}
                marks[env] += ("".join(key for key, value in flags.items() if value) or "-") + " "
        return [line.strip() for line in marks], steps, envs

    return run


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("33221x", "- t - t tg - t"),
        ("11100x", "- - - - tg - -"),  # some games go on with 0 lives for a while
        ("12322x", "- - t - tg - -"),  # a life won
        ("000x00", "- - tg - - tg -"),  # a game without lives
    ],
)
def test_a_lost_life_terminates_in_training_and_the_game_goes_on(ends, script, expected):
    assert ends(script, num_steps=7)[0] == [expected]


@pytest.mark.parametrize("settings", [{"training": False}, {"episodic_life": False}])
def test_otherwise_only_the_end_of_the_game_terminates(ends, settings):
    assert ends("33221x", "21x", num_steps=7, **settings)[0] == ["- - - - tg - -", "- tg - tg - tg -"]


def test_the_frame_cap_truncates_and_counts_anew_after_every_game(ends):
    # Three steps of four frames; the second game ends before, the third on the very step.
    lines, _, _ = ends("999999", "99x999", "999x99", num_steps=7, max_frames=15)
    assert lines == ["- - cg - - cg -", "- tg - tg - tg -", "- - tg - - tg -"]


def test_frames_are_counted_anew_after_a_reset(ends):
    _, _, envs = ends("99999999", num_steps=2, max_frames=12)
    envs.reset()
    assert [envs.step(np.array([0])).truncated[0] for _ in range(3)] == [False, False, True]


def test_a_life_lost_at_the_frame_cap_terminates_and_the_game_is_over(ends):
    assert ends("22211", num_steps=4, max_frames=12)[0] == ["- - tg -"]
    assert ends("22211", num_steps=4, max_frames=12, training=False)[0] == ["- - cg -"]


def test_final_observations_are_those_of_ended_games_and_equal_elsewhere(ends):
    _, steps, _ = ends("99x", "9999", "9999", num_steps=2)
    assert steps.final_observations[:, 0, 0, 0].tolist() == [2, 2, 2]
    assert steps.observations[:, 0, 0, 0].tolist() == [102, 2, 2]


@pytest.mark.parametrize(
    ("training", "clip_rewards", "expected"),
    [(True, True, [-1, 0, 1]), (True, False, [-7, 0, 4]), (False, True, [-1, 0, 1]), (False, False, [-7, 0, 4])],
)
def test_rewards_are_clipped_in_evaluations_as_in_training_and_raw_ones_never(ends, training, clip_rewards, expected):
    _, steps, _ = ends("99", "99", "99", num_steps=1, training=training, clip_rewards=clip_rewards)
    assert steps.rewards.tolist() == expected
    assert steps.raw_rewards.tolist() == [-7, 0, 4]
