"""A table of a page."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page: its id, the titles of its columns, and its cells, which are shown as they are."""

    name: str
    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
