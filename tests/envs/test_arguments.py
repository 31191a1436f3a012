"""Arguments for constructors: what is kept, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvzero.envs import EnvConfig
from kvzero.envs.arguments import read_arguments
from kvzero.errors import ConfigError
from kvzero.records import structure, unstructure

FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
)


@given(st.dictionaries(st.from_regex("[a-z_][a-z0-9_]*", fullmatch=True), VALUES))
def test_arguments_go_through_a_file_unchanged(arguments):
    config = EnvConfig(env_kwargs=arguments)
    assert config.env_kwargs == arguments
    assert structure(json.loads(json.dumps(unstructure(config))), EnvConfig) == config


def test_tuples_and_numbers_of_numpy_become_what_json_has():
    found = read_arguments({"size": (np.int64(8), 2.5), "slow": np.bool_(1), "deep": {"low": (1,)}})
    assert found == {"size": [8, 2.5], "slow": True, "deep": {"low": [1]}}
    assert type(found["size"][0]) is int


def test_what_the_caller_changes_later_does_not_change_the_config():
    given_size = [8]
    arguments = {"size": given_size}
    config = EnvConfig(env_kwargs=arguments)
    given_size.append(9)
    arguments["more"] = 1
    assert config.env_kwargs == {"size": [8]}
    assert hash(config) == hash(EnvConfig())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([("size", 8)], "give names and values"),
        ({1: 2}, "env_kwargs names 1"),
        ({"a b": 2}, "env_kwargs names 'a b'"),
        ({"render_mode": "human"}, "given where frames are wanted"),
        ({"size": {8}}, r"env_kwargs\['size'\] is \{8\}, which config.json cannot hold"),
        ({"size": [1, {"low": np.inf}]}, r"env_kwargs\['size'\]\[1\]\['low'\] is inf"),
        ({"size": {8: 1}}, r"env_kwargs\['size'\] is \{8: 1\}"),
        ({"size": np.zeros(2)}, r"is array\(\[0., 0.\]\)"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(arguments, words):
    with pytest.raises(ConfigError, match=words):
        read_arguments(arguments)


@pytest.mark.parametrize("env", [{"env_id": "ALE/Pong-v5"}, {"env_id": "dmc", "task": "cartpole-swingup"}])
def test_where_arguments_have_no_effect_they_are_refused(env):
    with pytest.raises(ConfigError, match=r"env_kwargs .* would have no effect"):
        EnvConfig(**env, env_kwargs={"size": 8})
