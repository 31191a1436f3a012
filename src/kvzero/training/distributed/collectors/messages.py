"""What passes between the learner and a collector elsewhere."""

from dataclasses import dataclass
from typing import Any

from kvzero.replay import StepBatch
from kvzero.training.collector import Episode
from kvzero.training.config import Exploration

__all__ = ["Begin", "Label", "Order", "Report", "Step"]


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """Which steps these are: no two reports that differ have the same."""

    collector: int
    incarnation: int
    """How many collectors came before under this number, in this session."""
    sequence: int
    """How many orders this one had before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """What a collector begins with."""

    seed: int
    """Of its environments."""
    rng_state: dict[str, Any]
    """Of what search and action draws use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Steps to be made."""

    label: Label
    explorations: tuple[Exploration, ...]
    """One for each step."""
    discount: float
    begin: Begin | None
    """Given in the first order of each collector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of all environments of a collector."""

    batch: StepBatch
    episodes: list[Episode]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Steps that were made, and what they took."""

    label: Label
    host: str
    version: int
    """That of the weights that searched."""
    steps: list[Step]
    rng_state: dict[str, Any]
    """Where the draws are now."""
    collect_seconds: float
    idle_seconds: float
    """Time since the report before."""
    rss_bytes: int
    cache: dict[str, float]
    """Figures of the store of keys and values."""
