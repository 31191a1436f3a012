"""From a LightZero config to a run's config: read, refuse what contradicts itself, tell once what is left behind."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvzero.compat.lightzero.checks import check_environment, check_facts
from kvzero.compat.lightzero.facts import FACTS, read_facts
from kvzero.compat.lightzero.fields import fill_fields
from kvzero.compat.lightzero.limits import LIMITS, find_unmet, is_meaningless
from kvzero.compat.lightzero.notes import find_assumptions
from kvzero.compat.lightzero.readers import flatten, shown
from kvzero.compat.lightzero.script import Script, run_script
from kvzero.errors import ConfigError, KvzeroWarning
from kvzero.records import structure
from kvzero.training import RunConfig

__all__ = ["LightZeroWarning", "load_config", "load_file"]

KNOWN = frozenset(name for table in (FACTS, LIMITS) for entry in table for name in entry.names)


class LightZeroWarning(KvzeroWarning):
    """Says, once for a config, what of it kvzero leaves behind or takes differently."""


def load_config(
    main_config: Mapping[str, Any],
    create_config: Mapping[str, Any] | None = None,
    *,
    seed: int | None = None,
    max_env_step: int | None = None,
    max_train_iter: int | None = None,
) -> RunConfig:
    """Return the run that a LightZero config of a UniZero agent, or of a sampled one, describes.

    What the config does not say is as in LightZero, but for two things, where kvzero's own defaults are better: without
    `use_new_cache_manager` keys and values live in the tree store (True means "pooled", False "legacy"), and without
    `rotary_emb` positions are rotary. What LightZero counts in updates becomes environment steps.

    Args:
        main_config: nested, with `env` and `policy`; plain dicts, `EasyDict` or any mapping.
        create_config: what LightZero is told to create; only checked.
        seed: as for LightZero's training functions; 0 if not given.
        max_env_step: environment steps after which the run ends; 100,000 if not given, where LightZero never ends.
        max_train_iter: updates after which it ends, if that comes first.

    Warns:
        LightZeroWarning: one warning that lists the names without meaning here, what is asked for in vain, and what was
            assumed.

    Raises:
        ConfigError: if the config contradicts itself or its environment, asks for another kind of agent, or has a value
            that cannot be understood.
    """
    options = {"seed": seed, "max_env_step": max_env_step, "max_train_iter": max_train_iter}
    told = {name: value for name, value in options.items() if value is not None}
    return _load(Script(main_config, create_config or {}, told))


def load_file(path: str | Path) -> RunConfig:
    """Return the run that a LightZero config file describes, unmodified; the file is executed, but trains nothing.

    Raises:
        ConfigError: as `load_config`, and if the file cannot be read, raises, or says nothing to train.
    """
    return _load(run_script(Path(path)))


def _load(script: Script) -> RunConfig:
    given = _gather(script)
    unmet = find_unmet(given)
    facts = read_facts(given)
    check_facts(facts)
    values = fill_fields(facts)
    config = structure(_nest(values), RunConfig)
    check_environment(config.env, facts)
    _tell(given, unmet, find_assumptions(script.entry, facts, values))
    return config


def _gather(script: Script) -> dict[str, Any]:
    given = flatten(script.main_config)
    for name, value in script.options.items():
        if given.get(name, value) != value:
            raise ConfigError(
                f"{name} is {shown(value)} where training is called but {shown(given[name])} in main_config"
            )
    return given | dict(script.options) | flatten({"create_config": script.create_config})


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in values.items():
        *rooms, name = path.split(".")
        place = nested
        for room in rooms:
            place = place.setdefault(room, {})
        place[name] = value
    return nested


def _tell(given: Mapping[str, Any], unmet: Mapping[str, str], assumptions: list[str]) -> None:
    left = [name for name in given if name not in KNOWN]
    unknown = [name for name in left if not is_meaningless(name)]
    parts = {
        "without meaning here": [name for name in left if name not in unknown and not _is_create(name)],
        "not known": unknown,
        "not done here": list(unmet.values()),
        "assumed": assumptions,
    }
    lines = [f"  {title}: {', '.join(names)}" for title, names in parts.items() if names]
    if lines:
        warnings.warn(
            "\n".join(["not all of this LightZero config is carried over", *lines]), LightZeroWarning, stacklevel=4
        )


def _is_create(name: str) -> bool:
    """Tell whether a name says how LightZero builds its parts, which no user means for kvzero."""
    return name.startswith("create_config.")
