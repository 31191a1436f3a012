"""Which spaces are read, how, and which are refused by name."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from kvzero.envs.spaces import read_action_space, read_observation_space
from kvzero.errors import ConfigError, EnvError


def image_space(*shape, dtype=np.uint8):
    return spaces.Box(0, 255, shape, dtype)


@pytest.mark.parametrize(
    ("shape", "delivered"),
    [
        ((7,), (7,)),
        ((6, 5), (1, 6, 5)),
        ((6, 5, 3), (3, 6, 5)),
        ((3, 6, 5), (3, 6, 5)),
        ((12, 7, 9), (9, 12, 7)),
        ((3, 5, 3), (3, 3, 5)),
    ],
)
def test_vectors_and_images_are_delivered_channel_first(shape, delivered):
    assert read_observation_space(image_space(*shape), "fake").shape == delivered


@given(height=st.integers(4, 9), width=st.integers(4, 9), channels=st.integers(1, 3), is_last=st.booleans())
def test_each_pixel_keeps_its_place(height, width, channels, is_last):
    shape = (height, width, channels) if is_last else (channels, height, width)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    delivered = read_observation_space(image_space(*shape), "fake").convert(image)
    for channel in range(channels):
        expected = image[:, :, channel] if is_last else image[channel]
        np.testing.assert_array_equal(delivered[channel], expected)
    assert delivered.flags.c_contiguous
    assert not np.shares_memory(delivered, image)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, np.uint8, np.bool_])
def test_vectors_of_any_number_become_float32(dtype):
    observation = np.array([0, 1, 1, 0], dtype)
    vector = read_observation_space(image_space(4), "fake").convert(observation)
    assert vector.dtype == np.float32
    assert not np.shares_memory(vector, observation)
    np.testing.assert_array_equal(vector, [0, 1, 1, 0])


@pytest.mark.parametrize(
    ("space", "observation", "words"),
    [
        (image_space(4), np.zeros(3), r"shape \(3,\).*says \(4,\)"),
        (image_space(4), np.array([0, 0, np.nan, 0]), "feature 2 is nan"),
        (image_space(4), np.array([0, 1e300, 0, 0]), r"feature 1 is 1e\+300"),
        (image_space(4), np.array(["a", "b", "c", "d"]), "real numbers"),
        (image_space(6, 5, 3), np.zeros((3, 6, 5), np.uint8), r"shape \(3, 6, 5\)"),
        (image_space(6, 5), np.zeros((6, 5)), "float64; return uint8"),
    ],
)
def test_an_observation_unlike_its_space_is_refused(space, observation, words):
    with pytest.raises(EnvError, match=words):
        read_observation_space(space, "fake").convert(observation)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Dict({"a": spaces.Discrete(2)}),
        spaces.Tuple([spaces.Discrete(2)]),
        spaces.Discrete(3),
        spaces.MultiBinary(3),
        spaces.Text(3),
    ],
)
def test_unsupported_observation_spaces_are_refused_by_name(space):
    with pytest.raises(ConfigError, match=rf"fake has the observation space .* a {type(space).__name__};"):
        read_observation_space(space, "fake")


@pytest.mark.parametrize(
    "space", [image_space(6, 5, dtype=np.float32), image_space(2, 3, 4, 5), image_space(), image_space(0)]
)
def test_unsupported_boxes_are_refused_by_shape(space):
    with pytest.raises(ConfigError, match="fake has observations of shape"):
        read_observation_space(space, "fake")


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


@settings(deadline=None)
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
