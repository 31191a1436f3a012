"""The knobs of reanalysis: how many rows of the replay are searched again, and what need not be."""

from dataclasses import dataclass

from kvzero.cache import DEFAULT_RESULT_BYTES
from kvzero.checks import check_field, read_fields
from kvzero.errors import ConfigError

__all__ = ["ReanalysisConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReanalysisConfig:
    """How old searches are replaced by new ones."""

    reanalysed_rows: int = 0
    """Rows of the replay that are searched again for each update, with the EMA network (R); 0 searches none."""

    max_age_updates: int = 0
    """Updates that the weights may have had since they found what a row is given without a search. With 0, only what
    the very same search found is, which within one run never comes twice: it takes a tier. Above 0, targets are older
    than without; what newer weights have found of a row stays."""

    results_max_bytes: int = DEFAULT_RESULT_BYTES
    """Most bytes of memory for what these searches found, where that is kept."""

    def __post_init__(self) -> None:
        read_fields(self)
        for name in ("reanalysed_rows", "max_age_updates"):
            check_field(self, name, lambda value: value >= 0, "give 0 or more")
        check_field(self, "results_max_bytes", lambda value: value >= 1, "give at least 1")
        if self.max_age_updates and not self.reanalysed_rows:
            raise ConfigError(
                f"max_age_updates is {self.max_age_updates}, which would have no effect: no rows are searched again; "
                "give reanalysed_rows too, or leave it out"
            )
