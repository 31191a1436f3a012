"""The knob of the replay: how much it remembers."""

from dataclasses import dataclass

from kvzero.checks import check_field, read_fields
from kvzero.errors import ConfigError

__all__ = ["ReplayConfig"]

MIN_ROWS_PER_ENV = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayConfig:
    """How much experience is kept for learning."""

    replay_capacity: int = 100_000
    """Rows kept over all environments: one per environment step and one per episode end; the oldest go first."""

    def __post_init__(self) -> None:
        read_fields(self)
        check_field(
            self, "replay_capacity", lambda rows: rows >= MIN_ROWS_PER_ENV, f"give at least {MIN_ROWS_PER_ENV} rows"
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
