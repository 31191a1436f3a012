"""Which environment a LightZero config plays, by kvzero's name for it, and how Atari ids differ in what they do."""

import re
from dataclasses import dataclass

__all__ = ["RENAMED", "Game", "find_game"]

EVERY_FRAME = re.compile(r"(?P<game>\w+)NoFrameskip-v(?P<version>[04])")
OF_ALE = re.compile(r"ALE/\w+-v5")
OF_DMC = re.compile(r"dmc2gym-v\d+")
RENAMED = {
    "LunarLander-v2": "LunarLander-v3",
    "LunarLanderContinuous-v2": "LunarLanderContinuous-v3",
}
"""Environments that Gymnasium has under a newer version only."""

STICKY = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """What an environment's id says."""

    env_id: str
    """The id that kvzero plays."""

    is_atari: bool = False
    """Whether it is an Atari game."""

    is_dmc: bool = False
    """Whether it is DeepMind Control, whose task other settings name."""

    sticky_action_probability: float = 0.0
    """Probability that the environment repeats the last action instead of taking the new one."""


def find_game(env_id: str) -> Game:
    """Return what LightZero's environment id stands for.

    `PongNoFrameskip-v4` shows every frame and does as it is told, its version 0 repeats actions at random (Machado et
    al. 2018), and of `ALE/Pong-v5`, which would do that too and skip frames, LightZero switches off both.
    """
    if match := EVERY_FRAME.fullmatch(env_id):
        sticky = STICKY if match["version"] == "0" else 0.0
        return Game(env_id=f"ALE/{match['game']}-v5", is_atari=True, sticky_action_probability=sticky)
    if OF_ALE.fullmatch(env_id):
        return Game(env_id=env_id, is_atari=True)
    if OF_DMC.fullmatch(env_id):
        return Game(env_id="dmc", is_dmc=True)
    return Game(env_id=RENAMED.get(env_id, env_id))
