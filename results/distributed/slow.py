"""CartPole as slow as a simulator: every step sleeps for 5 ms."""

import time
from typing import Any

from gymnasium.envs.classic_control import CartPoleEnv

STEP_SECONDS = 0.005


class SlowCartPole(CartPoleEnv):
    """CartPole that takes its time, without a limit to the length of an episode."""

    def step(self, action: Any) -> Any:
        """Wait, then step."""
        time.sleep(STEP_SECONDS)
        return super().step(action)
