"""The knob of reanalysis: how many rows of the replay are searched again."""

from dataclasses import dataclass

from kvzero.checks import check_field, read_fields

__all__ = ["ReanalysisConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReanalysisConfig:
    """How old searches are replaced by new ones."""

    reanalysed_rows: int = 0
    """Rows of the replay that are searched again for each update, with the EMA network (R); 0 searches none."""

    def __post_init__(self) -> None:
        read_fields(self)
        check_field(self, "reanalysed_rows", lambda value: value >= 0, "give 0 or more")
