"""Presets with another rule or sampler: only what would have no effect is set back."""

from dataclasses import replace

import pytest
from tests.unchecked import outcomes_of

from kvzero import PRESETS, preset
from kvzero.recipes import with_rule, with_sampler
from kvzero.replay import ReplayConfig
from kvzero.search import GumbelConfig, PuctConfig
from kvzero.training import ScheduleConfig

DISCRETE = ["cartpole", "acrobot", "lunarlander", "atari-small", "minatar"]


@pytest.mark.parametrize("name", DISCRETE)
def test_a_preset_takes_either_rule_and_any_sampler(name):
    for rule in ("puct", "gumbel"):
        for sampler in ("uniform", "prioritised", "recent"):
            config = with_sampler(with_rule(preset(name), rule), sampler)
            assert (config.agent.search.rule, config.replay.sampler) == (rule, sampler)


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_chosen_already_changes_nothing(name):
    config = preset(name)
    assert with_rule(config, config.agent.search.rule) == config
    assert with_sampler(config, config.replay.sampler) == config


def test_what_only_the_rule_before_reads_is_the_default_and_nothing_else_changes():
    base = preset("cartpole")
    assert base.agent.search.puct != PuctConfig()
    assert base.schedule.final_temperature != ScheduleConfig().final_temperature
    config = with_rule(base, "gumbel")
    assert config.agent.search == replace(base.agent.search, rule="gumbel", puct=PuctConfig(), gumbel=GumbelConfig())
    assert config.schedule == replace(base.schedule, final_temperature=ScheduleConfig().final_temperature)
    assert replace(config, agent=base.agent, schedule=base.schedule) == base


def test_what_only_the_sampler_before_reads_is_the_default_and_nothing_else_changes():
    base = preset("atari-small")
    assert base.replay.recent_rows != ReplayConfig().recent_rows
    config = with_sampler(base, "prioritised")
    assert config.replay == replace(base.replay, sampler="prioritised", recent_rows=ReplayConfig().recent_rows)
    assert replace(config, replay=base.replay) == base


def test_what_there_is_not_is_refused():
    preamble = "from kvzero import preset\nfrom kvzero.recipes import with_rule, with_sampler"
    rule, sampler = 'with_rule(preset("cartpole"), "alphabeta")', 'with_sampler(preset("cartpole"), "newest")'
    said = outcomes_of(preamble, [rule, sampler])
    assert said[rule].startswith("ConfigError: rule is 'alphabeta'")
    assert said[sampler].startswith("ConfigError: sampler is 'newest'")
