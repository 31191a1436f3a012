"""What a comparison is told: which stores, in which sizes, for how long; and the variants that this makes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kvzero.agent import AgentConfig, StoreKind
from kvzero.errors import ConfigError
from kvzero.reports.comparison import Variant
from kvzero.training.config import RunConfig

__all__ = ["ComparisonConfig", "variants"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonConfig:
    """One training with every variant and every seed, all alike but for the cache."""

    run: RunConfig
    """What all runs share. Its own seed, store and names are replaced, its evaluations left out."""

    env_steps: int
    """Environment steps of each run."""

    out: Path
    """Folder that everything is written to; must be new or empty."""

    stores: tuple[StoreKind, ...] = ("tree",)
    """Stores to compare; the others are held against the first."""

    seeds: tuple[int, ...] = (0, 1)
    """Seeds that every variant is trained with."""

    num_laps: int = 10
    """Turns that every run has; more of them follow a drift of the machine more closely."""

    command: str = ""
    """The command line, for the report."""

    def __post_init__(self) -> None:
        if self.env_steps < 1:
            raise ConfigError(f"env_steps is {self.env_steps}; give at least 1")
        if self.num_laps < 1:
            raise ConfigError(f"num_laps is {self.num_laps}; give at least 1")
        for name in ("stores", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ConfigError(
                    f"{name} is {', '.join(map(str, values)) or 'empty'}; give each once, and at least one"
                )
        if min(self.seeds) < 0:
            raise ConfigError(f"seeds has {min(self.seeds)}; give 0 or more")

    @property
    def num_threads(self) -> int:
        """CPU threads of every run: as configured, else one, which other programs disturb least."""
        return self.run.num_threads or 1

    def lap_end(self, lap: int) -> int:
        """Return how many environment steps every run has made after this lap."""
        return -(-self.env_steps * (lap + 1) // self.num_laps)


def variants(config: ComparisonConfig) -> list[tuple[Variant, AgentConfig]]:
    """Return what is compared, in order, with the agent that each trains.

    Raises:
        ConfigError: if a store cannot work with the agent's other settings.
    """
    return list(_variants(config))


def _variants(config: ComparisonConfig) -> Iterator[tuple[Variant, AgentConfig]]:
    for store in config.stores:
        yield Variant(name=store, store=store, settings={}), replace(config.run.agent, store=store)
