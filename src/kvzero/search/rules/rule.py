"""What a search asks of a rule."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64

from kvzero.search.tree import Kernels, Tree

__all__ = ["Decision", "Rule"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a search comes to, for each environment."""

    chosen: Int64[np.ndarray, " env"]
    """Action at the root to play."""

    policy: Float64[np.ndarray, "env action"]
    """Probabilities of the actions at the root, to learn from."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Rule(Protocol):
    """Decides where a search looks and what comes of it.

    What it selects is a compiled function of its own, of which `kvzero.search.tree.build_kernels` makes the kernels of
    the search.
    """

    @property
    def kernels(self) -> Kernels:
        """The compiled functions that grow trees by this rule."""

    def begin(self, tree: Tree, rng: np.random.Generator | None) -> Any:
        """Prepare planted trees for one search, which is to explore if there is an `rng`; return its numbers.

        Those are what the kernels compute with: a named tuple, of the same types each time, that has a `discount`.
        """

    def decide(
        self,
        tree: Tree,
        numbers: Any,
        visit_counts: Int64[np.ndarray, "env action"],
        *,
        rng: np.random.Generator | None,
        temperature: float | None,
    ) -> Decision:
        """Read a grown tree; with `temperature` what is played is drawn, without it is the best that was found.

        A rule whose search sees to exploration itself has no use for a temperature.

        Raises:
            SearchError: if the temperature is not positive, or there is no `rng` to draw with.
        """
