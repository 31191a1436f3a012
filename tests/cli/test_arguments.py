"""Arguments of an environment as words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.envs.test_arguments import VALUES

from kvzero.cli.arguments import read_words, to_words
from kvzero.cli.train import parse_run
from kvzero.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("-0.5", -0.5),
        (".5", 0.5),
        ("+3", 3),
        ("1e3", 1000.0),
        ("true", True),
        ("True", True),
        ("null", None),
        ("None", None),
        ("4x4", "4x4"),
        ("a=b", "a=b"),
        ("", ""),
        ('"8"', "8"),
        ("[8, 2.5]", [8, 2.5]),
        ('{"low": [1]}', {"low": [1]}),
    ],
)
def test_a_value_is_read_as_json_and_anything_else_is_a_string(text, value):
    found = read_words([f"size={text}"])
    assert found == {"size": value}
    assert type(found["size"]) is type(value)


@given(st.dictionaries(st.from_regex("[a-z_][a-z0-9_]*", fullmatch=True), VALUES))
def test_what_is_written_as_words_is_read_back(arguments):
    assert read_words(to_words(arguments)) == arguments


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["size"], "'size' gives no value; write key=value"),
        (["size=1", "size=2"], "'size' is given twice"),
        (["size=[1,2"], r"'size=\[1,2' cannot be read"),
        (["size={a: 1}"], "cannot be read"),
        (['size="a'], "cannot be read"),
        (["=8"], "env_kwargs names ''"),
        (["size=nan"], r"env_kwargs\['size'\] is nan"),
        (["size=-Infinity"], r"env_kwargs\['size'\] is -inf"),
    ],
)
def test_words_that_say_nothing_are_refused_in_a_sentence(words, message):
    with pytest.raises(ConfigError, match=message):
        parse_run("cartpole", ["--env-kwargs", *words])


def test_flags_before_and_after_arguments_are_read():
    config = parse_run("cartpole", ["--seed", "3", "--env-kwargs", "size=8", "map_name=4x4", "--num-envs", "2"])
    assert (config.seed, config.env.num_envs) == (3, 2)
    assert config.env.env_kwargs == {"size": 8, "map_name": "4x4"}
    assert parse_run("cartpole", []).env.env_kwargs == parse_run("cartpole", ["--env-kwargs"]).env.env_kwargs == {}
