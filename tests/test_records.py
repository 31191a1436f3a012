"""Records that rooms share, their way to JSON and back, and the one tree of errors."""

import json
import math

import numpy as np
import pytest

import kvzero
from kvzero import errors
from kvzero.errors import ConfigError, KvzeroError
from kvzero.records import EnvSpec, structure, unstructure

VECTOR = EnvSpec(observation_shape=(4,), num_actions=2)
IMAGE = EnvSpec(observation_shape=(3, 17, 20), num_actions=6)
FLAGS = EnvSpec(observation_shape=(4, 10, 9), pixels="flags", num_actions=6)
FLOATS = EnvSpec(observation_shape=(2, 7, 5), pixels="floats", pixel_bounds=((0.0, 1.0), (-3.0, 10.0)), num_actions=6)
REACH = EnvSpec(observation_shape=(4,), action_dim=2, action_bounds=((-3.0, 1.0), (0.0, 10.0)))


def test_images_have_three_axes():
    assert IMAGE.is_image
    assert not VECTOR.is_image


@pytest.mark.parametrize("shape", [(), (4, 5), (1, 2, 3, 4), (0,), (3, 0, 5), (-1,)])
def test_observations_that_are_neither_vectors_nor_images_are_refused(shape):
    with pytest.raises(ConfigError, match=r"observation_shape is \(.*vectors \(feature,\)"):
        EnvSpec(observation_shape=shape, num_actions=2)


@pytest.mark.parametrize("num_actions", [0, -1])
def test_an_environment_without_actions_is_refused(num_actions):
    with pytest.raises(ConfigError, match=f"num_actions is {num_actions} and action_dim is 0; .* at least one"):
        EnvSpec(observation_shape=(4,), num_actions=num_actions)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"num_actions": 2, "action_dim": 3}, "num_actions is 2 and action_dim is 3; .* not both"),
        ({"action_dim": -1}, "action_dim is -1"),
        ({"action_dim": 2, "action_bounds": ((-1.0, 1.0),)}, "holds 1 pairs; give one for each .* 2"),
        ({"num_actions": 2, "action_bounds": ((-1.0, 1.0),)}, "holds 1 pairs"),
        ({"action_dim": 1, "action_bounds": ((1.0, 1.0),)}, r"holds \(1.0, 1.0\); give finite numbers"),
        ({"action_dim": 1, "action_bounds": ((0.0, math.inf),)}, r"holds \(0.0, inf\)"),
        ({"action_dim": 1, "action_bounds": ((math.nan, 1.0),)}, r"holds \(nan, 1.0\)"),
    ],
)
def test_actions_are_numbered_or_vectors_with_finite_bounds(fields, words):
    with pytest.raises(ConfigError, match=words):
        EnvSpec(observation_shape=(4,), **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"observation_shape": (4,), "pixels": "flags"}, "pixels is flags but observation_shape is that of a vector"),
        ({"observation_shape": (2, 7, 5), "pixels": "floats"}, "holds 0 pairs; give one for each channel .* here 2"),
        ({"observation_shape": (2, 7, 5), "pixel_bounds": ((0.0, 1.0),)}, "holds 1 pairs; .* none for other .* here 0"),
        (
            {"observation_shape": (1, 7, 5), "pixels": "floats", "pixel_bounds": ((0.0, math.inf),)},
            r"pixel_bounds holds \(0.0, inf\)",
        ),
    ],
)
def test_what_pixels_are_fits_what_is_shown(fields, words):
    with pytest.raises(ConfigError, match=words):
        EnvSpec(num_actions=2, **fields)


def test_observations_know_their_type():
    assert [spec.observation_dtype for spec in (VECTOR, IMAGE, FLAGS, FLOATS)] == [
        np.float32,
        np.uint8,
        np.bool_,
        np.float32,
    ]


def test_a_spec_of_before_pixels_were_told_apart_is_one_of_bytes():
    assert structure({"observation_shape": [3, 17, 20], "num_actions": 6}, EnvSpec) == IMAGE


def test_a_float_is_outside_where_its_channel_says_so():
    images = np.zeros((3, 2, 7, 5), np.float32)
    images[0, 0, 1, 2], images[1, 1, 1, 2], images[2, 1, 6, 4], images[2, 0, 0, 0] = 1.5, 1.5, -3.5, np.nan
    assert np.argwhere(FLOATS.outside_bounds(images)).tolist() == [[0, 0, 1, 2], [2, 0, 0, 0], [2, 1, 6, 4]]


def test_actions_know_their_form():
    assert (VECTOR.is_continuous, REACH.is_continuous) == (False, True)
    assert (VECTOR.blank_actions(5, 3).shape, VECTOR.blank_actions(5).dtype) == ((5, 3), np.int64)
    assert (REACH.blank_actions(5, 3).shape, REACH.blank_actions(5).dtype) == ((5, 3, 2), np.float32)


def test_vectors_are_scaled_to_their_bounds():
    actions = np.array([[-1, -1], [0, 0.5], [1, 1]], np.float32)
    assert REACH.to_bounds(actions).tolist() == [[-3.0, 0.0], [-1.0, 7.5], [1.0, 10.0]]
    assert EnvSpec(observation_shape=(4,), action_dim=2).to_bounds(actions).tolist() == actions.tolist()


@pytest.mark.parametrize("spec", [VECTOR, IMAGE, FLAGS, FLOATS, REACH])
def test_a_record_survives_json(spec):
    assert structure(json.loads(json.dumps(unstructure(spec))), EnvSpec) == spec


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"num_actions": 2}, "missing.*observation_shape"),
        ({"observation_shape": [4]}, "give num_actions where actions are numbered"),
        ({"observation_shape": [4], "num_actions": 2, "num_agents": 3}, "num_agents"),
        ({"observation_shape": [4], "num_actions": "many"}, "num_actions is 'many', of type str; give an integer"),
        ({"observation_shape": 4, "num_actions": 2}, "observation_shape is 4, of type int; give a tuple"),
        ({"observation_shape": [0], "num_actions": 2}, r"observation_shape is \(0,\); kvzero reads vectors"),
        (
            {"observation_shape": [3.7], "num_actions": 2},
            r"observation_shape\[0\] is 3.7, of type float; give an integer",
        ),
        ({"observation_shape": [4], "num_actions": True}, "num_actions is True, of type bool; give an integer"),
        ([4, 2], "names and values"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_by_the_name_of_the_field(found, words):
    with pytest.raises(ConfigError, match=words):
        structure(found, EnvSpec)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("seed", "3", r"seed is '3', of type str; give an integer @ \$"),
        ("env.clip_rewards", 1, r"clip_rewards is 1, of type int; give True or False @ \$.env"),
        ("agent.model.latent_norm", "l1", r"latent_norm is 'l1'; choose one of simnorm, layernorm @ \$.agent.model"),
        ("agent.search.discount", "0.9", r"discount is '0.9', of type str; give a number @ \$.agent.search"),
        ("agent.cache.recur_pool_bounds", [1, 2.5], r"recur_pool_bounds\[1\] is 2.5, of type float; .* \$.agent.cache"),
        ("agent.colour", 3, r"extra fields found \(colour\) @ \$.agent"),
        ("env", 3, r"expected EnvConfig @ \$.env"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_as_it_is_where_a_config_is_made(path, value, words):
    config = unstructure(kvzero.preset("cartpole"))
    part = config
    *parents, name = path.split(".")
    for parent in parents:
        part = part[parent]
    part[name] = value
    with pytest.raises(ConfigError, match=words):
        structure(config, kvzero.RunConfig)


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "KvzeroWarning"])
def test_every_error_is_one_of_kvzero_and_one_that_callers_expect(name):
    kind = getattr(errors, name)
    assert issubclass(kind, KvzeroError)
    assert kind is KvzeroError or issubclass(kind, ValueError | RuntimeError | OSError | LookupError)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"num_actions": 4}, "observations of shape (3,) and 4 actions"),
        ({"action_dim": 2}, "observations of shape (3,) and actions of 2 numbers each in (-1.0, 1.0)"),
        (
            {"action_dim": 2, "action_bounds": ((0.0, 1.0), (0.0, 0.5))},
            "observations of shape (3,) and actions of 2 numbers in (0.0, 1.0), (0.0, 0.5)",
        ),
    ],
)
def test_a_spec_says_in_words_what_it_is(spec, words):
    assert str(EnvSpec(observation_shape=(3,), **spec)) == words


def test_a_spec_says_what_pixels_are_where_they_are_not_bytes():
    assert str(IMAGE) == "observations of shape (3, 17, 20) and 6 actions"
    assert str(FLAGS) == "observations of shape (4, 10, 9) in flags and 6 actions"
    assert str(FLOATS) == "observations of shape (2, 7, 5) in floats in (0.0, 1.0), (-3.0, 10.0) and 6 actions"
