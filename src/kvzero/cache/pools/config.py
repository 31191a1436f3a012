"""The knobs of the keyed stores, and what a manager reads of a config."""

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch

from kvzero.cache.codecs import CodecName, coded_context_bytes
from kvzero.cache.layout import ContextLayout
from kvzero.checks import read_fields, read_int
from kvzero.errors import ConfigError

__all__ = ["CacheConfig", "EvictionName", "KeyMode", "ManagerConfig", "ManagerSettings", "PoolSizes", "plan_sizes"]

EvictionName = Literal["fifo", "lru", "priority"]
KeyMode = Literal["path", "latent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """Sizes, eviction and keys of the keyed stores; the tree store needs none of it."""

    init_pool_size: int | None = None
    """Root contexts kept per environment; as many as a game segment has steps (20 in an agent) if not given."""

    recur_pool_size: int | None = None
    """Contexts of search nodes kept for all environments together; one whole search's if not given."""

    eviction: EvictionName = "fifo"
    """Who leaves a full pool: the oldest (fifo), the least recently used (lru) or the least read (priority)."""

    key_mode: KeyMode = "path"
    """path tells contexts apart by all that led to them; latent by the newest latent alone, which is not exact."""

    pool_stats: bool = True
    """Whether hits, misses and evictions are counted and logged."""

    init_pool_bounds: tuple[int, int] | None = None
    """Smallest and largest size between which init pools adapt to their hits and evictions; fixed if not given."""

    recur_pool_bounds: tuple[int, int] | None = None
    """The same for the recur pool; the largest must hold one whole search."""

    pool_codec: CodecName = "none"
    """How pools keep contexts: every bit (none), or rounded, as float16 or int8, in a half or a quarter of the memory;
    predictions are then no longer exact."""

    cache_max_bytes: int | None = None
    """Most bytes that all pools may take together; what would pass it is refused before it is allocated."""

    def __post_init__(self) -> None:
        read_fields(self)
        for name in ("init_pool_size", "recur_pool_size", "cache_max_bytes"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ConfigError(f"{name} is {number}; give at least 1, or nothing")
        for name in ("init_pool_bounds", "recur_pool_bounds"):
            self._check_bounds(name, getattr(self, name))

    def _check_bounds(self, name: str, bounds: tuple[int, int] | None) -> None:
        if bounds is None:
            return
        if not 1 <= bounds[0] < bounds[1]:
            raise ConfigError(f"{name} is {bounds}; give the smallest size, at least 1, and a larger one")
        if not self.pool_stats:
            raise ConfigError(f"{name} is {bounds}, but pools adapt to statistics, which are off; turn them on")


@runtime_checkable  # the shape checks of the test session ask isinstance
class ManagerConfig(Protocol):
    """What a `KVCacheManager` reads of the config that it is given; nothing else is."""

    @property
    def layout(self) -> ContextLayout:
        """Sizes of one context."""

    @property
    def game_segment_length(self) -> int:
        """Environment steps per segment: the size of an init pool where `cache` does not say another."""

    @property
    def num_simulations(self) -> int:
        """Nodes that one search adds per environment: with the environments, the size of the recur pool by default."""

    @property
    def cache(self) -> CacheConfig:
        """Sizes, eviction and bounds that were chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerSettings:
    """A `ManagerConfig` and nothing more."""

    layout: ContextLayout
    """Sizes of one context."""

    num_simulations: int
    """Nodes that one search adds per environment."""

    game_segment_length: int = 20
    """Environment steps per segment."""

    cache: CacheConfig = field(default_factory=CacheConfig)
    """Sizes, eviction and bounds that were chosen."""

    def __post_init__(self) -> None:
        for name in ("num_simulations", "game_segment_length"):
            if read_int(name, getattr(self, name)) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least 1")


@dataclass(frozen=True, slots=True)
class PoolSizes:
    """How many contexts each pool begins with."""

    init: int
    """Roots of one environment."""

    recur: int
    """Nodes of one search, over all environments."""

    wm: int
    """Scratch."""


def plan_sizes(config: ManagerConfig, env_num: int, dtype: torch.dtype, *, has_scratch: bool = True) -> PoolSizes:
    """Return the sizes that a config means for so many environments.

    Raises:
        ConfigError: if there are none, or sizes do not fit the bounds or the budget that the config gives.
    """
    if not isinstance(config, ManagerConfig):
        raise ConfigError(
            f"caches were asked for with a {type(config).__name__}; give a TransformerConfig, or "
            "ManagerSettings(layout=..., num_simulations=...)"
        )
    if read_int("env_num", env_num) < 1:
        raise ConfigError(f"env_num is {env_num}; caches serve at least 1 environment")
    cache, one_search = config.cache, config.num_simulations * env_num
    sizes = PoolSizes(
        _first_size("init_pool", cache.init_pool_size, cache.init_pool_bounds, config.game_segment_length),
        _first_size("recur_pool", cache.recur_pool_size, cache.recur_pool_bounds, one_search),
        env_num if has_scratch else 0,
    )
    if cache.recur_pool_bounds is not None and cache.recur_pool_bounds[1] < one_search:
        raise ConfigError(
            f"recur_pool_bounds is {cache.recur_pool_bounds}, but one search makes {one_search} nodes; "
            "let the pool grow to that, so that it never evicts from a search in progress"
        )
    largest_init = sizes.init if cache.init_pool_bounds is None else cache.init_pool_bounds[1]
    largest_recur = sizes.recur if cache.recur_pool_bounds is None else cache.recur_pool_bounds[1]
    num_contexts = env_num * largest_init + largest_recur + sizes.wm
    needed = num_contexts * coded_context_bytes(cache.pool_codec, config.layout, dtype)
    if cache.cache_max_bytes is not None and needed > cache.cache_max_bytes:
        raise ConfigError(
            f"pools of up to {num_contexts} contexts would take {needed:,} bytes, and cache_max_bytes is "
            f"{cache.cache_max_bytes:,}; make init_pool_size or recur_pool_size smaller, or raise the budget"
        )
    return sizes


def _first_size(name: str, chosen: int | None, bounds: tuple[int, int] | None, usual: int) -> int:
    """Return the size that a pool begins with: the one that was chosen, or the usual one as far as the bounds go."""
    if bounds is None:
        return usual if chosen is None else chosen
    low, high = bounds
    if chosen is not None and not low <= chosen <= high:
        raise ConfigError(f"{name}_size is {chosen}, out of {name}_bounds {bounds}; set them to fit each other")
    return min(max(usual, low), high) if chosen is None else chosen
