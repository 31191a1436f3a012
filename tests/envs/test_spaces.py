"""Which action spaces are played, how, which are refused by name, and what both spaces are to an agent."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from kvzero.envs import EnvConfig, make_environments, read_formats
from kvzero.envs.spaces import read_action_space
from kvzero.errors import ConfigError
from kvzero.records import EnvSpec


@pytest.mark.parametrize(
    "space",
    [spaces.Box(0, 9, (2,), np.int64), spaces.Box(-1, 1, (0,)), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(3)],
)
def test_unsupported_action_spaces_are_refused_by_name(space):
    with pytest.raises(ConfigError, match=rf"fake has the action space .* a {type(space).__name__};"):
        read_action_space(space, "fake")


def test_a_discrete_space_gives_its_size_and_start():
    numbered = read_action_space(spaces.Discrete(5, start=-2), "fake")
    assert (numbered.num_actions, numbered.convert(np.int64(4)), numbered.action_bounds) == (5, 2, ())


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ([-1, -np.inf], [1, 2], "not bounded"),
        ([-1, -2], [np.inf, 2], "not bounded"),
        ([-1, 2, 0], [1, 2, 1], "number 1 has no width"),
    ],
)
def test_boxes_without_bounds_or_width_are_refused(low, high, words):
    space = spaces.Box(np.float32(low), np.float32(high))
    with pytest.raises(ConfigError, match=f"fake has the action space .*{words}"):
        read_action_space(space, "fake")


@given(
    bounds=st.lists(
        st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(2**-10, 1e6, width=32)), min_size=6, max_size=6
    ),
    action=st.lists(st.floats(-1, 1, width=32), min_size=6, max_size=6),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_vector_is_given_in_the_boxs_own_units_shape_and_type(bounds, action, dtype):
    low = np.array([low for low, _ in bounds], dtype).reshape(2, 3)
    high = np.array([low + width for low, width in bounds], dtype).reshape(2, 3)
    if not (low < high).all():  # a width that float32 loses
        return
    space = spaces.Box(low, high, dtype=dtype)
    converted = read_action_space(space, "fake").convert(np.float32(action))
    assert space.contains(converted)
    shares = (converted - low.astype(float)) / (high.astype(float) - low)
    width = np.abs(space.low) + np.abs(space.high)
    tolerance = 1e-6 * (1 + width / (high.astype(float) - low))
    assert (np.abs(shares.ravel() - (np.array(action) + 1) / 2) <= tolerance.ravel()).all()


@pytest.mark.parametrize(
    ("env_id", "spec"),
    [
        ("FrozenLake-v1", EnvSpec(observation_shape=(16,), num_actions=4)),
        ("Taxi-v4", EnvSpec(observation_shape=(500,), num_actions=6)),
        ("Blackjack-v1", EnvSpec(observation_shape=(32 + 11 + 2,), num_actions=2)),
    ],
)
def test_tables_and_cards_are_vectors_to_an_agent(env_id, spec):
    envs = make_environments(EnvConfig(env_id=env_id), num_envs=3, training=True)
    shown = envs.reset(seed=0).observations
    assert envs.spec == spec
    assert shown.shape == (3, *spec.observation_shape)
    assert (shown.sum(1) == (3 if env_id == "Blackjack-v1" else 1)).all()
    envs.close()


def test_the_masks_of_a_taxi_are_heeded():
    envs = make_environments(EnvConfig(env_id="Taxi-v4"), num_envs=5, training=True)
    masks = envs.reset(seed=0).action_masks
    moves = envs.step(masks.argmin(1)).observations  # an action that is not legal changes nothing
    assert (~masks).any(1).all()
    np.testing.assert_array_equal(moves, envs.reset(seed=0).observations)
    envs.close()


def test_what_pixels_are_is_part_of_a_spec(scripted):
    flags = scripted(observation_space=spaces.Box(0, 1, (6, 5, 4), np.bool_))
    floats = scripted(observation_space=spaces.Box(-1, 3, (6, 5), np.float32))
    assert read_formats(flags).spec == EnvSpec(observation_shape=(4, 6, 5), pixels="flags", num_actions=2)
    assert read_formats(floats).spec == EnvSpec(
        observation_shape=(1, 6, 5), pixels="floats", pixel_bounds=((-1.0, 3.0),), num_actions=2
    )
