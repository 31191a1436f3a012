"""A config with another rule or sampler: what it had set for the one before goes back to its default."""

from dataclasses import replace

from kvzero.checks import changed_fields
from kvzero.replay import KNOBS, ReplayConfig, SamplerKind
from kvzero.search import GumbelConfig, PuctConfig, RuleKind
from kvzero.training import RunConfig, ScheduleConfig

__all__ = ["with_rule", "with_sampler"]


def with_rule(config: RunConfig, rule: RuleKind) -> RunConfig:
    """Return a run that searches by `rule`; with another one than before, settings of that one alone are defaults.

    A config refuses what has no effect, and presets set such things for their own rule: with `gumbel` nothing would
    come of the `final_temperature` of the preset `cartpole`.

    Raises:
        ConfigError: if there is no such rule.
    """
    search = config.agent.search
    if rule == search.rule:
        return config
    search = replace(search, rule=rule, puct=PuctConfig(), gumbel=GumbelConfig())
    schedule = config.schedule
    if not search.draws_actions:
        idle = [name for name in changed_fields(schedule) if "temperature" in name]
        schedule = replace(schedule, **{name: getattr(ScheduleConfig(), name) for name in idle})
    return replace(config, agent=replace(config.agent, search=search), schedule=schedule)


def with_sampler(config: RunConfig, sampler: SamplerKind) -> RunConfig:
    """Return a run whose replay is drawn by `sampler`; knobs of other samplers are defaults.

    Raises:
        ConfigError: if there is no such sampler.
    """
    replay = config.replay
    others = tuple(prefix for kind, prefix in KNOBS.items() if kind != sampler)
    idle = [name for name in changed_fields(replay) if name.startswith(others)]
    defaults = {name: getattr(ReplayConfig(), name) for name in idle}
    return replace(config, replay=replace(replay, sampler=sampler, **defaults))
