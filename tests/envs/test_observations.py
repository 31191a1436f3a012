"""Which observation spaces are read, how each number keeps its place, and what is refused in which words."""

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces.utils import flatten
from hypothesis import given, settings
from hypothesis import strategies as st

from kvzero.envs.observations import read_observation_space
from kvzero.errors import ConfigError, EnvError

DEEP = spaces.Dict(
    [
        ("wind", spaces.Box(-1, 1, (3,))),
        ("gear", spaces.Discrete(4, start=-1)),
        ("lamps", spaces.MultiBinary((2, 3))),
        ("crew", spaces.Tuple([spaces.MultiDiscrete([2, 5]), spaces.Box(0, 9, (), np.int8)])),
    ]
)


def image_space(*shape, dtype=np.uint8, low=0, high=255):
    return spaces.Box(low, high, shape, dtype)


def read(space):
    return read_observation_space(space, "fake")


@pytest.mark.parametrize(
    ("shape", "delivered"),
    [
        ((7,), (7,)),
        ((6, 5), (1, 6, 5)),
        ((6, 5, 3), (3, 6, 5)),
        ((3, 6, 5), (3, 6, 5)),
        ((12, 7, 9), (9, 12, 7)),
        ((3, 5, 3), (3, 3, 5)),
        ((7, 7, 24), (24, 7, 7)),
        ((24, 7, 7), (24, 7, 7)),
        ((10, 10, 10), (10, 10, 10)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_vectors_and_images_are_delivered_channel_first(shape, delivered, dtype):
    assert read(image_space(*shape, dtype=dtype)).spec.observation_shape == delivered


@given(
    height=st.integers(4, 9),
    width=st.integers(4, 9),
    channels=st.integers(1, 3),
    is_last=st.booleans(),
    dtype=st.sampled_from([np.uint8, np.float64, np.int16]),
)
def test_each_pixel_keeps_its_place(height, width, channels, is_last, dtype):
    shape = (height, width, channels) if is_last else (channels, height, width)
    image = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    reader = read(image_space(*shape, dtype=dtype))
    delivered = reader.convert(image)
    for channel in range(channels):
        expected = image[:, :, channel] if is_last else image[channel]
        np.testing.assert_array_equal(delivered[channel], expected)
    assert delivered.flags.c_contiguous
    assert not np.shares_memory(delivered, image)
    assert delivered.dtype == reader.spec.observation_dtype == (np.uint8 if dtype is np.uint8 else np.float32)


def test_flags_stay_flags():
    planes = np.random.default_rng(0).random((10, 9, 4)) > 0.5
    reader = read(spaces.Box(0.0, 1.0, planes.shape, np.bool_))
    assert (reader.spec.pixels, reader.spec.pixel_bounds) == ("flags", ())
    delivered = reader.convert(planes)
    assert delivered.dtype == np.bool_
    np.testing.assert_array_equal(delivered, planes.transpose(2, 0, 1))


def test_floats_have_the_bounds_of_their_channel():
    low, high = np.zeros((6, 5, 2), np.float32), np.ones((6, 5, 2), np.float32)
    low[2, 3, 0], high[5, 4, 1] = -7, 30
    spec = read(spaces.Box(low, high)).spec
    assert (spec.pixels, spec.pixel_bounds) == ("floats", ((-7.0, 1.0), (0.0, 30.0)))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-np.inf, 1, r"from -inf to 1; give their Box finite bounds"),
        (0, np.inf, r"from 0 to inf; .* uint8, or in gymnasium.wrappers.FlattenObservation"),
        (-3e38, 3e38, r"from -3e\+38 to 3e\+38; .* at most 2\*\*24 apart"),
        (5, 5, "from 5 to 5; give"),
    ],
)
def test_floats_without_bounds_that_can_be_scaled_by_are_refused(low, high, words):
    with pytest.raises(ConfigError, match=rf"fake has images of float32 \(6, 5, 3\) with a channel {words}"):
        read(image_space(6, 5, 3, dtype=np.float32, low=low, high=high))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, np.uint8, np.bool_])
def test_vectors_of_any_number_become_float32(dtype):
    observation = np.array([0, 1, 1, 0], dtype)
    vector = read(image_space(4)).convert(observation)
    assert vector.dtype == np.float32
    assert not np.shares_memory(vector, observation)
    np.testing.assert_array_equal(vector, [0, 1, 1, 0])


def spotted(value, place=(1, 4, 2)):
    image = np.zeros((6, 5, 3))
    image[place] = value
    return image


@pytest.mark.parametrize(
    ("space", "observation", "words"),
    [
        (image_space(4), None, "None for an observation; return what the environment shows"),
        (image_space(4), np.zeros(3), r"shape \(3,\).*says \(4,\)"),
        (image_space(4), np.array([0, 0, np.nan, 0]), "feature 2 is nan"),
        (image_space(4), np.array([0, 1e300, 0, 0]), r"feature 1 is 1e\+300"),
        (image_space(4), np.array(["a", "b", "c", "d"]), "real numbers"),
        (image_space(6, 5, 3), None, "None for an observation"),
        (image_space(6, 5, 3), np.zeros((3, 6, 5), np.uint8), r"shape \(3, 6, 5\)"),
        (image_space(6, 5), np.zeros((6, 5)), "float64; return uint8"),
        (spaces.Box(0, 1, (6, 5), np.bool_), np.zeros((6, 5), np.uint8), "uint8; return bool"),
        (image_space(6, 5, 3, dtype=np.float32, high=1), spotted(1.5), "1.5 in row 1, column 4 of channel 2; .* 0 to"),
        (image_space(6, 5, 3, dtype=np.float32, low=-1, high=1), spotted(np.nan), "with nan in row 1, column 4"),
        (image_space(6, 5, 3, dtype=np.float64, high=1), spotted(-1e300), "with -inf in row 1, .* 0 to 1, so return"),
        (image_space(6, 5, dtype=np.float32), np.full((6, 5), "a"), "an image of dtype <U1; return real numbers"),
    ],
)  # fmt: skip
def test_an_observation_unlike_its_space_is_refused(space, observation, words):
    with pytest.raises(EnvError, match=words):
        read(space).convert(observation)


@pytest.mark.parametrize(
    ("space", "observation", "vector"),
    [
        (spaces.Discrete(4), 2, [0, 0, 1, 0]),
        (spaces.Discrete(3, start=5), np.int64(7), [0, 0, 1]),
        (spaces.Discrete(3), np.array(0), [1, 0, 0]),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 0]), [0, 1, 1, 0, 0]),
        (spaces.MultiBinary(3), np.array([1, 0, 1], np.int8), [1, 0, 1]),
        (spaces.Tuple([spaces.Discrete(2), spaces.Box(-9, 9, (2,))]), (1, np.array([4.5, -2])), [0, 1, 4.5, -2]),
        (spaces.Dict({"b": spaces.Discrete(2), "a": spaces.Box(0, 1, ())}), {"b": 0, "a": 0.25}, [0.25, 1, 0]),
        (spaces.Dict(b=spaces.Discrete(2), a=spaces.Box(0, 1, ())), {"a": 0.25, "b": 0}, [1, 0, 0.25]),
    ],
)
def test_numbers_flags_and_parts_become_one_vector_in_the_order_of_the_space(space, observation, vector):
    found = read(space).convert(observation)
    assert found.dtype == np.float32
    assert found.tolist() == vector
    assert read(space).spec.observation_shape == (len(vector),)


@settings(max_examples=30)
@given(seed=st.integers(0, 99))
def test_whatever_a_space_gives_is_flattened_as_gymnasium_does(seed):
    DEEP.seed(seed)
    observation = DEEP.sample()
    np.testing.assert_array_equal(read(DEEP).convert(observation), flatten(DEEP, observation).astype(np.float32))


def test_a_number_too_large_for_its_box_is_not_wrapped_around():
    space = spaces.Tuple([spaces.Box(0, 9, (1,), np.int8), spaces.Discrete(1)])
    assert read(space).convert((np.array([300]), 0)).tolist() == [300, 1]


def deep(**changed):
    crew = (np.array([1, 4]), np.array(3, np.int8))
    return {"wind": np.zeros(3), "gear": 0, "lamps": np.zeros((2, 3), np.int8), "crew": crew} | changed


@pytest.mark.parametrize(
    ("space", "observation", "words"),
    [
        (spaces.Discrete(4), 4, r"returned 4 for observation; return what is in its Discrete\(4\)"),
        (spaces.Discrete(4), None, "returned None for observation"),
        (spaces.Discrete(4), 1.0, "returned 1.0 for observation"),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 3]), r"array\(\[1, 3\]\) for observation; .*MultiDiscrete"),
        (spaces.MultiBinary(3), np.array([1, 0, 2]), "for observation; .*MultiBinary"),
        (DEEP, deep(wind=np.zeros(2)), r"observation\['wind'\] of shape \(2,\); its observation_space says \(3,\)"),
        (DEEP, deep(wind=np.array([0, np.inf, 0])), r"observation\['wind'\] whose feature 1 is inf; it must be finite"),
        (DEEP, deep(wind=None), r"None for observation\['wind'\]"),
        (DEEP, deep(wind=["a", "b", "c"]), r"observation\['wind'\] of dtype <U1; return real numbers"),
        (DEEP, deep(gear=3), r"returned 3 for observation\['gear'\]"),
        (DEEP, deep(crew=(np.array([1, 5]), 3)), r"for observation\['crew'\]\[0\]"),
        (DEEP, deep(crew=(np.array([1, 4]), np.nan)), r"observation\['crew'\]\[1\] whose feature 0 is nan"),
        (DEEP, deep(crew=3), r"returned 3 for observation\['crew'\]; return a tuple of 2 parts"),
        (DEEP, deep(more=3), r"'more'\] for observation; return a dict with the keys \['wind', 'gear', "),
        (DEEP, np.zeros(3), "returned ndarray for observation; return a dict"),
    ],
)  # fmt: skip
def test_a_part_unlike_its_space_is_refused_by_its_place(space, observation, words):
    with pytest.raises(EnvError, match=words):
        read(space).convert(observation)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (spaces.Text(3), r"the observation space Text\(.*, a Text; kvzero reads Box, Discrete"),
        (spaces.Sequence(spaces.Discrete(3)), "the observation space Sequence.*, a Sequence;"),
        (spaces.Graph(spaces.Discrete(3), None), "the observation space Graph.*, a Graph;"),
        (spaces.OneOf([spaces.Discrete(3)]), "the observation space OneOf.*, a OneOf;"),
        (spaces.Dict({"says": spaces.Text(3)}), r"the observation\['says'\] space Text\(.*, a Text;"),
        (
            spaces.Dict({"eye": image_space(6, 5, 3), "arm": spaces.Box(-1, 1, (7,))}),
            r"an image, observation\['eye'\] of shape \(6, 5, 3\), inside a Dict .*TransformObservation.*Flatten",
        ),
        (spaces.Tuple([spaces.Discrete(2), spaces.Dict({"map": image_space(6, 5)})]), r"observation\[1\]\['map'\]"),
        (spaces.Discrete(16_385), "flattens to 16,385 numbers; kvzero takes 1 to 16,384"),
        (spaces.Dict({}), "flattens to 0 numbers"),
    ],
)
def test_spaces_that_are_not_read_are_refused_by_name_and_place(space, words):
    with pytest.raises(ConfigError, match=f"fake .*{words}"):
        read(space)


@pytest.mark.parametrize("space", [image_space(2, 3, 4, 5), image_space(), image_space(0), image_space(3, 0)])
def test_unsupported_boxes_are_refused_by_shape(space):
    with pytest.raises(ConfigError, match=r"fake has observations of shape .*FlattenObservation"):
        read(space)
