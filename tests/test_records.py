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


def test_actions_know_their_form():
    assert (VECTOR.is_continuous, REACH.is_continuous) == (False, True)
    assert (VECTOR.blank_actions(5, 3).shape, VECTOR.blank_actions(5).dtype) == ((5, 3), np.int64)
    assert (REACH.blank_actions(5, 3).shape, REACH.blank_actions(5).dtype) == ((5, 3, 2), np.float32)


def test_vectors_are_scaled_to_their_bounds():
    actions = np.array([[-1, -1], [0, 0.5], [1, 1]], np.float32)
    assert REACH.to_bounds(actions).tolist() == [[-3.0, 0.0], [-1.0, 7.5], [1.0, 10.0]]
    assert EnvSpec(observation_shape=(4,), action_dim=2).to_bounds(actions).tolist() == actions.tolist()


@pytest.mark.parametrize("spec", [VECTOR, IMAGE, REACH])
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


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_one_of_kvzero_and_one_that_callers_expect(name):
    kind = getattr(errors, name)
    assert issubclass(kind, KvzeroError)
    assert kind is KvzeroError or issubclass(kind, ValueError | RuntimeError | OSError | LookupError)
