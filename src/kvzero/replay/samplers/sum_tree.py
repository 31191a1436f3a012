"""A sum tree: masses side by side on a line, and the one that a point of the line falls on."""

import numpy as np
from jaxtyping import Float64, Int, Int64

__all__ = ["SumTree"]


class SumTree:
    """Masses, each with a place on a line as long as their sum (Schaul et al. 2016, appendix B.2.1).

    A binary tree of which each node holds the sum of its two children: changing a mass, or finding what a point falls
    on, takes as many steps as the tree has levels, for a whole batch at once. Sums are made anew from the children at
    each change, so that they depend on the masses alone and not on how these came about.

    Args:
        num_places: how many masses there are; all begin at 0.
    """

    def __init__(self, num_places: int) -> None:
        self._num_places = num_places
        self._num_levels = (num_places - 1).bit_length()
        self._first = 1 << self._num_levels
        self._nodes = np.zeros(2 * self._first)  # the root is node 1, the children of node n are 2n and 2n + 1

    @property
    def masses(self) -> Float64[np.ndarray, " place"]:
        """All masses; not a copy, and not to be written to."""
        return self._nodes[self._first : self._first + self._num_places]

    @property
    def total(self) -> float:
        """Sum of all masses."""
        return float(self._nodes[1])

    def put(self, places: Int[np.ndarray, " batch"], masses: Float64[np.ndarray, " batch"] | float) -> None:
        """Change masses; of a place that comes several times, the last one stays."""
        nodes = places + self._first
        self._nodes[nodes] = masses
        for _ in range(self._num_levels):
            nodes = nodes // 2
            self._nodes[nodes] = self._nodes[2 * nodes] + self._nodes[2 * nodes + 1]

    def find(self, points: Float64[np.ndarray, " batch"]) -> Int64[np.ndarray, " batch"]:
        """Return the places that points from 0 to `total`, which is not 0, fall on.

        Sums are rounded, so a point may lie a hair beyond the masses on its way: it falls on the nearest that is not 0.
        """
        nodes = np.ones(len(points), np.int64)
        for _ in range(self._num_levels):
            left, right = self._nodes[2 * nodes], self._nodes[2 * nodes + 1]
            is_right = (points >= left) & (right > 0)
            points = np.where(is_right, points - left, points)
            nodes = 2 * nodes + is_right
        return nodes - self._first
