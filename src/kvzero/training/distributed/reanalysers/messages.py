"""What passes between the learner and a reanalyser elsewhere."""

from dataclasses import dataclass

from kvzero.agent import Findings
from kvzero.replay import Chunks

__all__ = ["Found", "SearchOrder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOrder:
    """Rows to be searched: with the weights that go with it, all that what is found depends on."""

    batches: tuple[Chunks, ...]
    """Each is searched together, one after the other."""
    seed: int
    """Of the draws of all of them."""
    discount: float

    @property
    def num_rows(self) -> int:
        """Rows that are searched."""
        return sum(len(batch.places) for batch in self.batches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found, and what it took."""

    findings: list[Findings]
    """Those of each batch of the order."""
    num_rows: int
    search_seconds: float
    idle_seconds: float
    """Time since the order before."""
    rss_bytes: int
