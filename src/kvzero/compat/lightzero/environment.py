"""Which environment a LightZero config plays, by kvzero's name for it, and how Atari ids differ in what they do."""

import re
from dataclasses import dataclass

__all__ = ["Game", "find_game"]

EVERY_FRAME = re.compile(r"(?P<game>\w+)NoFrameskip-v(?P<version>[04])")
SKIPS_ITSELF = re.compile(r"ALE/(?P<game>\w+)-v5")
RENAMED = {"LunarLander-v2": "LunarLander-v3"}
"""Environments that Gymnasium has under a newer version only."""

STICKY = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """What an environment's id says."""

    env_id: str
    """The id that kvzero plays."""

    is_atari: bool = False
    """Whether it is an Atari game."""

    frames_per_action: int = 1
    """Frames that the environment itself holds an action for, below LightZero's `frame_skip`."""

    sticky_action_probability: float = 0.0
    """Probability that the environment repeats the last action instead of taking the new one."""


def find_game(env_id: str) -> Game:
    """Return what LightZero's environment id stands for.

    `PongNoFrameskip-v4` shows every frame and does as it is told, its version 0 repeats actions at random (Machado et
    al. 2018), and `ALE/Pong-v5` does that too and holds each action for four frames, to which LightZero adds its own.
    """
    if match := EVERY_FRAME.fullmatch(env_id):
        sticky = STICKY if match["version"] == "0" else 0.0
        return Game(env_id=f"ALE/{match['game']}-v5", is_atari=True, sticky_action_probability=sticky)
    if SKIPS_ITSELF.fullmatch(env_id):
        return Game(env_id=env_id, is_atari=True, frames_per_action=4, sticky_action_probability=STICKY)
    return Game(env_id=RENAMED.get(env_id, env_id))
