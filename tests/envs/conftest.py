"""An environment that does what a script says, for the tests of this room."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete


class ScriptedEnv(gymnasium.Env):
    """Shows [episode, step of the episode, seed]; ends as told; `answers` replaces what single steps return."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (Gymnasium's own convention)

    def __init__(self, *, length=3, ending="terminated", answers=None, info=None, render_mode=None, **spaces):
        self.length, self.ending, self.answers, self.info = length, ending, answers or {}, info or {}
        self.render_mode = render_mode
        self.observation_space = spaces.get("observation_space", Box(-np.inf, np.inf, (3,), np.float64))
        self.action_space = spaces.get("action_space", Discrete(2))
        self.episode, self.time, self.seed, self.actions, self.seeds = 0, 0, -1, [], []
        self.shown = np.zeros(3)  # one buffer, changed in place, as careless environments do

    def look(self):
        self.shown[:] = (self.episode, self.time, self.seed)
        return self.shown

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.seed = self.seed if seed is None else seed
        self.episode, self.time = self.episode + 1, 0
        return self.answers.get("reset", self.look()), self.info

    def step(self, action):
        self.actions.append(action)
        self.time += 1
        is_over = self.time == self.length
        answer = [self.look(), 0.5 * action, is_over and self.ending != "truncated", is_over, self.info]
        answer[3] = is_over and self.ending != "terminated"
        for place, value in self.answers.get(self.time, {}).items():
            if isinstance(value, Exception):
                raise value
            answer[place] = value
        return tuple(answer)

    def render(self):
        return np.full((4, 5, 3), self.time, np.uint8)


@pytest.fixture
def scripted():
    return ScriptedEnv
