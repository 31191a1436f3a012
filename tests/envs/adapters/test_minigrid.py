"""MiniGrid's rooms as planes: each is true exactly where MiniGrid's own numbers say so."""

import numpy as np
import pytest

from kvzero.envs import EnvConfig, MinigridPlanes, make_environments
from kvzero.envs.lookup import find_maker
from kvzero.errors import ConfigError

pytest.importorskip("minigrid")

NUM_KINDS, NUM_COLOURS, NUM_STATES = 11, 6, 3
DOOR, KEY, YELLOW, LOCKED = 4, 5, 4, 2
CONSTANT = ["Empty-5x5-v0", "DoorKey-5x5-v0", "MemoryS7-v0", "Dynamic-Obstacles-5x5-v0", "ObstructedMaze-1Dl-v0"]
VARIED = ["GoToDoor-5x5-v0", "Fetch-5x5-N2-v0", "KeyCorridorS3R1-v0", "LockedRoom-v0"]


def own(env_id, **options):
    """Return an environment as MiniGrid gives it."""
    return find_maker(env_id)(**options)


def expected(shown):
    """Return the planes of an observation, cell by cell."""
    width, height, _ = shown["image"].shape
    planes = np.zeros((NUM_KINDS + NUM_COLOURS + NUM_STATES + 4, width, height), bool)
    for x in range(width):
        for y in range(height):
            kind, colour, state = shown["image"][x, y]
            first_state = NUM_KINDS + NUM_COLOURS
            for plane in (kind, NUM_KINDS + colour, first_state + state, first_state + NUM_STATES + shown["direction"]):
                planes[plane, x, y] = True
    return planes


@pytest.mark.parametrize("name", CONSTANT)
def test_planes_say_what_the_numbers_say(name):
    plain, env = own(f"MiniGrid-{name}"), MinigridPlanes(own(f"MiniGrid-{name}"))
    rng = np.random.default_rng(0)
    shown, planes = plain.reset(seed=3)[0], env.reset(seed=3)[0]
    for _ in range(60):
        assert env.observation_space.contains(planes)
        np.testing.assert_array_equal(planes, expected(shown))
        action = int(rng.integers(plain.action_space.n))
        shown, _, terminated, truncated, _ = plain.step(action)
        planes, *_ = env.step(action)
        if terminated or truncated:
            shown, planes = plain.reset(seed=4)[0], env.reset(seed=4)[0]


def test_a_locked_yellow_door_and_the_key_that_opens_it_are_seen():
    env = MinigridPlanes(own("MiniGrid-DoorKey-5x5-v0"))
    seen = np.zeros(NUM_KINDS + NUM_COLOURS + NUM_STATES + 4, bool)
    for seed in range(20):
        planes, _ = env.reset(seed=seed)
        seen |= planes.any((1, 2))
        doors = planes[:, planes[DOOR]]
        assert doors[NUM_KINDS + YELLOW].all()
        assert doors[NUM_KINDS + NUM_COLOURS + LOCKED].all()
    assert seen[[DOOR, KEY]].all()


@pytest.mark.parametrize("name", VARIED)
def test_missions_that_differ_are_refused(name):
    with pytest.raises(ConfigError, match=rf"MiniGrid-{name} has missions that differ, such as '.*; choose one"):
        make_environments(EnvConfig(env_id=f"MiniGrid-{name}"), num_envs=1, training=True)


def test_a_wider_view_makes_a_wider_image():
    env = MinigridPlanes(own("MiniGrid-Empty-8x8-v0", agent_view_size=5))
    assert env.observation_space.shape == env.reset(seed=0)[0].shape == (24, 5, 5)
