"""Which id kvzero plays where an environment goes by several names."""

import re

__all__ = ["ATARI_PREFIX", "DMC_ID", "MINIGRID_PREFIX", "canonical_id"]

ATARI_PREFIX = "ALE/"
MINIGRID_PREFIX = "MiniGrid-"
DMC_ID = "dmc"

_ATARI_MODULE = "ale_py:"
_MINIGRID_MODULE = "minigrid:"
_EVERY_FRAME = re.compile(r"(?P<game>\w+)NoFrameskip-v4")


def canonical_id(env_id: str) -> str:
    """Return the id of the same environment by which kvzero plays it, in its own way for Atari games and MiniGrid.

    `PongNoFrameskip-v4`, which shows every frame of the game for others to skip, is `ALE/Pong-v5`; so are both with the
    module that registers them, `ale_py:`. The names of games that skip frames at random, or repeat actions, mean
    something else and are left as they are: `find_maker` refuses them. MiniGrid's ids, too, are known without their
    module.
    """
    env_id = env_id.removeprefix(_ATARI_MODULE)
    if env_id.startswith(_MINIGRID_MODULE + MINIGRID_PREFIX):
        return env_id.removeprefix(_MINIGRID_MODULE)
    match = _EVERY_FRAME.fullmatch(env_id)
    return f"{ATARI_PREFIX}{match['game']}-v5" if match else env_id
