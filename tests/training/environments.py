"""Environments of a few numbers: one that goes well, one that never ends, and one that fails when it is told to."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Tuple

FEATURES, ACTIONS = 5, 3


class Ladder(gymnasium.Env[Any, np.int64]):
    """Shows time, the last action and chance; an episode has 3 to 6 steps, every third is cut off instead of over."""

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = Box(-np.inf, np.inf, (FEATURES,), np.float32)
        self.action_space = Discrete(ACTIONS)
        self.time = self.length = self.episode = 0
        self.last_action = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode += 1
        self.time, self.length = 0, int(self.np_random.integers(3, 7))
        return self.look(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.time += 1
        self.last_action = int(action)
        is_over, is_cut = self.time == self.length, self.episode % 3 == 0
        return self.look(), float(action), is_over and not is_cut, is_over and is_cut, {}

    def look(self) -> np.ndarray:
        chance = self.np_random.normal(size=FEATURES - 2)
        return np.array([self.time / 4, self.last_action, *chance], np.float32)

    def render(self) -> np.ndarray:
        return np.full((20, 30, 3), 20 * self.time, np.uint8)


class Sized(Ladder):
    """A ladder that shows as many numbers as it is told to, some of them twice."""

    def __init__(self, num_features: int, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.num_features = num_features
        self.observation_space = Box(-np.inf, np.inf, (num_features,), np.float32)

    def look(self) -> np.ndarray:
        return np.resize(super().look(), self.num_features)


class Reach(Ladder):
    """A ladder whose actions are two numbers, of which the first one is worth itself."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.action_space = Box(np.float32([-2, 0]), np.float32([2, 1]))

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        observation, _, *rest = super().step(np.int64(0))
        return observation, float(action[0]), *rest


class Recall(gymnasium.Env[np.ndarray, np.ndarray]):
    """Says at the first step of an episode whether it will be a good or a bad one, then nothing but the time."""

    STEPS = 3

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = Box(-1, 1, (2,), np.float32)
        self.action_space = Box(-1, 1, (1,), np.float32)
        self.cue, self.time = 1.0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.cue, self.time = float(self.np_random.choice([-1.0, 1.0])), 0
        return np.array([self.cue, 0], np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.time += 1
        reward = 3 * self.cue + float(action[0])
        return np.array([0, self.time / self.STEPS], np.float32), reward, False, self.time == self.STEPS, {}


class Endless(Ladder):
    """A ladder without an end."""

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, False, info


class Failing(Ladder):
    """A ladder whose step number `at` (over all episodes, counted for each copy) goes wrong as `how` says."""

    at: ClassVar[int | None] = None
    how: ClassVar[str] = "raise"

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.num_steps = 0

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        self.num_steps += 1
        if self.num_steps == self.at:
            if self.how == "raise":
                raise ZeroDivisionError("the ladder broke")
            observation = observation * np.float32(np.nan) if self.how == "nan" else observation[:-1]
        return observation, reward, terminated, truncated, info


class Rich(Ladder):
    """A ladder that pays a thousand for every step."""

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        observation, _, *rest = super().step(action)
        return observation, 1000.0, *rest


class Huge(Ladder):
    """A ladder that shows numbers near the end of float32."""

    def look(self) -> np.ndarray:
        return np.append(super().look()[:-1], np.float32(-3e38))


class Speck(Ladder):
    """A ladder that shows images of four pixels a side."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = Box(0, 255, (4, 4, 3), np.uint8)

    def look(self) -> np.ndarray:
        return np.zeros((4, 4, 3), np.uint8)


class Planes(Ladder):
    """A ladder that shows grids of flags, the time in one plane and the last action in another."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = Box(0, 1, (6, 7, 2), np.bool_)

    def look(self) -> np.ndarray:
        planes = np.zeros((6, 7, 2), np.bool_)
        planes[: self.time, :, 0], planes[:, self.last_action, 1] = True, True
        return planes


class Bytes(Planes):
    """Planes whose flags are bytes of 0 and 1."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = Box(0, 255, (6, 7, 2), np.uint8)

    def look(self) -> np.ndarray:
        return super().look().astype(np.uint8)


class Heights(Ladder):
    """A ladder that shows grey grids of numbers from -3 to 3."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = Box(-3, 3, (6, 7), np.float32)

    def look(self) -> np.ndarray:
        return np.full((6, 7), self.time / 4, np.float32)


class Parts(Ladder):
    """A ladder that shows the time and the last action as numbers of their own beside a vector."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        chance = Box(-np.inf, np.inf, (FEATURES - 2,), np.float32)
        self.observation_space = Dict({"time": Discrete(7), "did": Tuple([Discrete(ACTIONS), chance])})

    def look(self) -> dict[str, Any]:
        return {"time": self.time, "did": (self.last_action, super().look()[2:])}


class Mixed(Ladder):
    """A ladder that shows an image beside a vector."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = Dict({"eye": Box(0, 255, (6, 7, 2), np.uint8), "arm": self.observation_space})


class Taller(Ladder):
    """A ladder that shows one more number."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = Box(-np.inf, np.inf, (FEATURES + 1,), np.float32)

    def look(self) -> np.ndarray:
        return np.append(super().look(), np.float32(0))


class Wider(Ladder):
    """A ladder with one more action."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.action_space = Discrete(ACTIONS + 1)


class FartherReach(Reach):
    """A reach whose second action goes twice as far."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.action_space = Box(np.float32([-2, 0]), np.float32([2, 2]))
