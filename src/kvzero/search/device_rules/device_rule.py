"""What a search on a device asks of a rule: one half of it on the host, the other in tensors."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64
from torch import Tensor

from kvzero.search.device_tree import Chance
from kvzero.search.rules import Rule
from kvzero.search.tree import Tree

__all__ = ["HostHalf", "TensorHalf"]


@runtime_checkable  # the shape checks of the test session ask isinstance
class HostHalf(Protocol):
    """Deals before a search, and says what is read after it; it is made anew when the discount changes."""

    @property
    def rule(self) -> Rule:
        """The rule on the host, which decides in the end."""

    def draw(
        self, chance: Chance, action_masks: Bool[np.ndarray, "asked action"], rng: np.random.Generator | None
    ) -> None:
        """Write numbers and chance into host memory that holds zeros and the legal actions.

        With `rng` the search explores; the draws and their order are those of `Rule.begin`. Rows beyond those of
        `action_masks` are to spare.
        """

    def numbers(self, tree: Tree, chance: Chance) -> Any:
        """Return what `rule` decides with, of grown trees and of what was drawn for them."""


@runtime_checkable
class TensorHalf(Protocol):
    """Looks at trees where they are, with operations that depend on shapes alone."""

    def open(self) -> None:
        """Look at the planted roots of a search that begins."""

    def best_actions(self, num_nodes: int) -> Int64[Tensor, "env node"]:
        """Return the action that the rule selects at each of the first nodes, all of which have been evaluated."""
