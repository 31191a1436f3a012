"""Everything that kvzero does one way only is noticed where a config wants another way."""

import pytest
from tests.compat.samples import WORLD

from kvzero.compat.lightzero.facts import FACTS
from kvzero.compat.lightzero.limits import LIMITS, MEANINGLESS, Limit, find_unmet, is_meaningless
from kvzero.errors import ConfigError

NAMED = [(limit, name) for limit in LIMITS for name in limit.names]
VALUES = (True, False, 1, 0.5, 17, "x_multitask", "x_ppo", "jericho", "text", "Go", "kl", "other")


def some(limit: Limit, *, is_met: bool) -> object:
    return next(value for value in VALUES if limit.is_met(value) is is_met)


@pytest.mark.parametrize(("limit", "name"), NAMED, ids=[name for _, name in NAMED])
def test_another_value_is_refused_or_told_with_the_reason(limit, name):
    value = some(limit, is_met=False)
    others = [one for one in LIMITS if name in one.names and one is not limit]
    if limit.is_refused or any(one.is_refused and not one.is_met(value) for one in others):
        with pytest.raises(ConfigError) as refused:
            find_unmet({name: value})
        told = str(refused.value)
    else:
        told = find_unmet({name: value})[name]
    assert told.startswith(f"{name}={value!r}")
    assert others or limit.reason in told


def test_what_kvzero_does_anyway_and_what_is_left_open_is_nothing_to_tell():
    assert find_unmet(dict.fromkeys((name for _, name in NAMED), None)) == {}
    given = {"policy.use_priority": False, f"{WORLD}.embed_pdrop": 0.0, f"{WORLD}.lora_r": 0, f"{WORLD}.gamma": 1.0}
    given |= {"env.stop_value": 1_000_000, "env.warp_frame": True}
    given |= {"policy.optim_type": "AdamW_mix_lr_wdecay", "create_config.policy.type": "unizero"}
    given |= {"create_config.env.type": "atari_lightzero", f"{WORLD}.sigma_type": "conditioned", "env.act_scale": True}
    assert find_unmet(given) == {}


@pytest.mark.parametrize("value", ["none", None, False])
def test_one_task_needs_no_embedding_however_that_is_said(value):
    assert find_unmet({f"{WORLD}.task_embed_option": value}) == {}


def test_a_flag_is_not_a_number():
    assert set(find_unmet({f"{WORLD}.gamma": True, "policy.accumulation_steps": True})) == {
        f"{WORLD}.gamma", "policy.accumulation_steps",
    }  # fmt: skip
    assert set(find_unmet({"env.stop_value": "never"})) == {"env.stop_value"}


def test_names_without_meaning_are_no_settings():
    settings = {name for table in (FACTS, LIMITS) for entry in table for name in entry.names}
    assert settings.isdisjoint(MEANINGLESS)
    assert is_meaningless("env.manager.shared_memory")
    assert is_meaningless("exp_name")
    assert not is_meaningless("policy.warp_speed")
    assert len(MEANINGLESS) == len(set(MEANINGLESS))
