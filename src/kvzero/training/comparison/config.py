"""What a comparison is told: which stores, in which sizes, for how long; and the variants that this makes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from kvzero.cache import CacheConfig, EvictionName, TierConfig, is_lossy
from kvzero.checks import check_field, read_fields
from kvzero.engines import StoreKind, find_limit
from kvzero.errors import ConfigError
from kvzero.reports.comparison import Variant
from kvzero.training.config import RunConfig

__all__ = ["ComparisonConfig", "variants"]

SIZED: tuple[StoreKind, ...] = ("pooled", "legacy")
"""Stores that have pools."""

EVICTING: tuple[StoreKind, ...] = ("pooled",)
"""Stores whose eviction can be chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonConfig:
    """One training with every variant and every seed, all alike but for the cache."""

    run: RunConfig
    """What all runs share. Its own seed, length, store and names are replaced, its evaluations left out. If it has
    tiers, every variant comes without them and with them."""

    env_steps: int
    """Environment steps of each run."""

    out: Path
    """Folder that everything is written to: new, empty, or that of this comparison, which then goes on."""

    stores: tuple[StoreKind, ...] = get_args(StoreKind)
    """Stores to compare; the others are held against the first."""

    seeds: tuple[int, ...] = (0, 1)
    """Seeds that every variant is trained with."""

    pool_sizes: tuple[int, ...] = ()
    """Sizes in contexts, of the pool of nodes and of each environment's pool of roots; as the run says if none."""

    evictions: tuple[EvictionName, ...] = ()
    """Eviction strategies of pools; as the run says if none."""

    num_laps: int = 10
    """Turns that every run has; more of them follow a drift of the machine more closely."""

    command: str = ""
    """The command line, for the report."""

    def __post_init__(self) -> None:
        read_fields(self)
        for name in ("env_steps", "num_laps"):
            check_field(self, name, lambda value: value >= 1, "give at least 1")
        if not self.stores or not self.seeds:
            raise ConfigError("stores or seeds are empty; give at least one of each")
        for name in ("stores", "seeds", "pool_sizes", "evictions"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} is {', '.join(map(str, values))}; give each once")
        if min(self.seeds) < 0:
            raise ConfigError(f"seeds has {min(self.seeds)}; give 0 or more")
        self._refuse_idle_settings()
        if self.run.tiers.tier and not self.run.reanalysis.reanalysed_rows:
            raise ConfigError(
                "tier would have no effect: a comparison does not evaluate, and these runs search no rows again; give "
                "reanalysed_rows too"
            )
        self._refuse_narrow_engines()
        variants(self)  # refuses what a store cannot do, or a run of this length

    def _refuse_idle_settings(self) -> None:
        cache = self.run.agent.cache
        if self.pool_sizes and (cache.init_pool_size is not None or cache.recur_pool_size is not None):
            raise ConfigError("pool_sizes stands for init_pool_size and recur_pool_size; give it or them")
        if self.evictions and cache.eviction != CacheConfig().eviction:
            raise ConfigError(f"evictions stands for eviction, which is {cache.eviction!r}; give one of the two")
        for name, is_given, takers in (
            ("pool_sizes", bool(self.pool_sizes), SIZED),
            ("evictions", bool(self.evictions), EVICTING),
            ("cache", cache != CacheConfig(), SIZED),
        ):
            if is_given and not set(takers) & set(self.stores):
                raise ConfigError(
                    f"{name} would have no effect on {', '.join(self.stores)}; compare {' or '.join(takers)} too"
                )

    def _refuse_narrow_engines(self) -> None:
        """Refuse an engine that cannot serve every store, or not in float64, in which stores are held together."""
        engine = self.run.agent.engine
        limit = find_limit(engine, self.stores)
        if limit is not None:
            raise ConfigError(
                f"engine is {engine}, which serves {limit} only, and {', '.join(self.stores)} are to plan in float64 "
                "too; choose eager, or auto, which takes the native engine where it can serve"
            )

    @property
    def num_threads(self) -> int:
        """CPU threads of every run: as configured, else one, which other programs disturb least."""
        return self.run.num_threads or 1

    def lap_end(self, lap: int) -> int:
        """Return how many environment steps every run has made after this lap."""
        return -(-self.env_steps * (lap + 1) // self.num_laps)


def variants(config: ComparisonConfig) -> list[tuple[Variant, RunConfig]]:
    """Return what is compared, in order, with the run that each is, but for seed and place.

    Each store that has pools comes in every size, and the one whose eviction can be chosen with every strategy; all
    come without tiers and, if there are any, with them.

    Raises:
        ConfigError: if a store cannot work with the agent's other settings, or a schedule is longer than the runs.
    """
    run = replace(config.run, schedule=replace(config.run.schedule, total_env_steps=config.env_steps))
    return [
        _variant(run, store, cache, has_tiers=has_tiers)
        for store in config.stores
        for cache in _caches(config, store)
        for has_tiers in ((False, True) if config.run.tiers.tier else (False,))
    ]


def _caches(config: ComparisonConfig, store: StoreKind) -> list[dict[str, Any]]:
    """Return the settings of pools, beside those that all runs share, in which a store is compared."""
    sizes: list[dict[str, Any]] = [{}]
    strategies: list[dict[str, Any]] = [{}]
    if config.pool_sizes and store in SIZED:
        sizes = [{"init_pool_size": size, "recur_pool_size": size} for size in config.pool_sizes]
    if config.evictions and store in EVICTING:
        strategies = [{"eviction": strategy} for strategy in config.evictions]
    return [size | strategy for size in sizes for strategy in strategies]


def _variant(
    run: RunConfig, store: StoreKind, settings: dict[str, Any], *, has_tiers: bool
) -> tuple[Variant, RunConfig]:
    cache = replace(run.agent.cache, **settings) if store in SIZED else CacheConfig()
    told = settings | ({"pool_codec": cache.pool_codec} if is_lossy(cache.pool_codec) else {})
    chosen = [str(told[name]) for name in ("recur_pool_size", "eviction", "pool_codec") if name in told]
    told |= {"tier": ",".join(run.tiers.tier)} if has_tiers else {}
    variant = Variant(
        name="-".join([store, *chosen, *(["tier"] if has_tiers else [])]),
        store=store,
        settings={name: str(value) for name, value in told.items()},
    )
    agent = replace(run.agent, store=store, cache=cache)
    return variant, replace(run, agent=agent, tiers=run.tiers if has_tiers else TierConfig())
