"""Settings that cannot work are refused, with the reason."""

from typing import Any, get_args

import pytest

from kvzero.errors import ConfigError
from kvzero.records import structure, unstructure
from kvzero.search import GumbelConfig, PuctConfig, RuleKind, SearchConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_simulations": 0}, "num_simulations is 0; a search needs at least 1"),
        ({"num_simulations": -3}, "num_simulations is -3"),
        ({"discount": 1.5}, "discount is 1.5; it must lie between 0 and 1"),
        ({"discount": float("nan")}, "discount is nan"),
        ({"min_value_range": float("nan")}, "min_value_range is nan"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SearchConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise_weight": -0.1}, "noise_weight is -0.1"),
        ({"pb_c_init": -1.0}, "pb_c_init is -1.0"),
        ({"pb_c_init": float("inf")}, "pb_c_init is inf"),
        ({"pb_c_base": 0.0}, "pb_c_base is 0.0; it must be finite and positive"),
        ({"dirichlet_alpha": 0.0}, "dirichlet_alpha is 0.0"),
    ],
)
def test_a_setting_of_puct_that_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PuctConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_considered_actions": 0}, "num_considered_actions is 0; a search tries at least 1 action"),
        ({"c_visit": -1.0}, "c_visit is -1.0"),
        ({"c_visit": float("inf")}, "c_visit is inf"),
        ({"c_scale": 0.0}, "c_scale is 0.0; it must be finite and positive"),
        ({"c_scale": float("nan")}, "c_scale is nan"),
    ],
)
def test_a_setting_of_gumbel_that_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GumbelConfig(**settings)


def test_a_knob_of_the_rule_that_is_not_asked_for_is_refused() -> None:
    message = "pb_c_init is 2.0, which would have no effect with rule=gumbel; give the default, pb_c_init 1.25"
    with pytest.raises(ConfigError, match=message):
        SearchConfig(rule="gumbel", puct=PuctConfig(pb_c_init=2.0))
    with pytest.raises(ConfigError, match=r"c_scale is 1.0, which would have no effect with rule=puct"):
        SearchConfig(gumbel=GumbelConfig(c_scale=1.0))


def test_the_config_of_a_run_of_before_the_rules_is_read() -> None:
    older = {"num_simulations": 7, "discount": 0.9, "pb_c_init": 2.0, "noise_weight": 0.5, "min_value_range": 0.1}
    wanted = SearchConfig(
        num_simulations=7, discount=0.9, min_value_range=0.1, puct=PuctConfig(pb_c_init=2.0, noise_weight=0.5)
    )
    assert structure(older, SearchConfig) == wanted == structure(unstructure(wanted), SearchConfig)
    with pytest.raises(ConfigError, match="pb_c"):
        structure({**unstructure(wanted), "pb_c": 1.0}, SearchConfig)


def test_the_limits_are_allowed() -> None:
    SearchConfig(num_simulations=1, discount=0.0, puct=PuctConfig(noise_weight=1.0, pb_c_init=0.0))
    SearchConfig(discount=1.0, puct=PuctConfig(noise_weight=0.0))
    SearchConfig(rule="gumbel", gumbel=GumbelConfig(num_considered_actions=1, c_visit=0.0))


@pytest.mark.parametrize("rule", get_args(RuleKind))
def test_every_rule_can_be_asked_to_explore_without_noise(rule):
    config = SearchConfig(rule=rule, num_simulations=7, discount=0.5)
    quiet = config.without_noise()
    assert (quiet.rule, quiet.num_simulations, quiet.discount) == (rule, 7, 0.5)
    if rule == "puct":
        assert (config.puct.noise_weight, quiet.puct.noise_weight) == (0.25, 0.0)
