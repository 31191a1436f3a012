"""The knobs of the replay: how much it remembers, and what is drawn of it."""

from dataclasses import dataclass
from typing import Literal

from kvzero.checks import changed_fields, check_field, read_fields
from kvzero.errors import ConfigError

__all__ = ["ReplayConfig", "SamplerKind"]

SamplerKind = Literal["uniform", "prioritised", "recent"]

MIN_ROWS_PER_ENV = 2

KNOBS: dict[SamplerKind, str] = {"prioritised": "priority_", "recent": "recent_"}
"""How the names of settings begin that only one sampler reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayConfig:
    """How much experience is kept for learning, and how it is drawn."""

    replay_capacity: int = 100_000
    """Rows kept over all environments: one per environment step and one per episode end; the oldest go first."""

    sampler: SamplerKind = "uniform"
    """Which steps segments start at: any, with the same probability (uniform), rather those whose values were predicted
    badly (prioritised; Schaul et al. 2016), or for a share of each batch one of the newest (recent)."""

    priority_alpha: float = 0.6
    """sampler=prioritised only: the power of a value's error that a step is drawn by, up to 1."""

    priority_beta: float = 0.4
    """sampler=prioritised only: how far weights in the loss make up for uneven draws when the run begins, from 0 to 1;
    rises to 1, wholly, at its end."""

    recent_rows: int = 2_500
    """sampler=recent only: how many of the rows that were written last, over all environments, are recent."""

    recent_share: float = 0.5
    """sampler=recent only: the share of a batch that is drawn from those rows; the rest is drawn from all."""

    recent_final_share: float | None = None
    """That share when the run ends, if it is to change: from the middle of the run on it does, linearly. Early on, the
    newest rows say most; later on, what is no longer met has to be remembered."""

    def __post_init__(self) -> None:
        read_fields(self)
        check_field(self, "priority_alpha", lambda power: 0 < power <= 1, "give a power above 0 and up to 1")
        check_field(self, "priority_beta", lambda power: 0 <= power <= 1, "give a power from 0 to 1")
        check_field(self, "recent_rows", lambda rows: rows >= 1, "give at least 1 row")
        check_field(self, "recent_share", lambda share: 0 < share <= 1, "give a share above 0 and up to 1")
        check_field(
            self,
            "recent_final_share",
            lambda share: share is None or 0 <= share <= 1,
            "give a share from 0 to 1, or nothing",
        )
        self._check_effect()
        check_field(
            self, "replay_capacity", lambda rows: rows >= MIN_ROWS_PER_ENV, f"give at least {MIN_ROWS_PER_ENV} rows"
        )

    def _check_effect(self) -> None:
        for sampler, prefix in KNOBS.items():
            changed = [name for name in changed_fields(self) if name.startswith(prefix)]
            if changed and self.sampler != sampler:
                defaults = ", ".join(f"{name}={getattr(type(self)(), name)}" for name in changed)
                raise ConfigError(
                    f"{', '.join(changed)} would have no effect with sampler={self.sampler}; choose sampler={sampler}, "
                    f"or leave it at {defaults}"
                )

    def rows_per_env(self, num_envs: int) -> int:
        """Return the rows that each of `num_envs` environments gets.

        Raises:
            ConfigError: if that is too little for one step and the observation it led to.
        """
        rows_per_env = self.replay_capacity // num_envs
        if rows_per_env < MIN_ROWS_PER_ENV:
            raise ConfigError(
                f"replay_capacity {self.replay_capacity} leaves {rows_per_env} rows for each of {num_envs} "
                f"environments; give at least {MIN_ROWS_PER_ENV * num_envs}"
            )
        return rows_per_env
