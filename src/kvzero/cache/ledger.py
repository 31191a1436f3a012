"""The ledger of roots: how long each one is, which weights made it, and whether a search below them is over."""

import numpy as np
from jaxtyping import Bool, Int

from kvzero.errors import StaleContextError

__all__ = ["BEFORE_FIRST_TOKEN", "RootLedger"]

BEFORE_FIRST_TOKEN = -1
"""Length of a root before the first observation."""

NOT_HELD = -1
"""Version of a root that nobody made or that was lost; no weights have it."""


class RootLedger:
    """What a store knows of the roots of its environments, wherever their keys and values are.

    A root with tokens is stale for all weights but those that made it. A search has a number and is over when another
    begins or a root changes. `envs` are always the numbers of different environments.
    """

    def __init__(self, num_envs: int) -> None:
        """Begin without roots."""
        self._lengths = np.full(num_envs, BEFORE_FIRST_TOKEN, np.int64)
        self._versions = np.full(num_envs, NOT_HELD, np.int64)
        self._search = 0  # counts what ends a search: another one, or a root that changes

    def lengths(self, envs: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"]:
        """Return how many tokens each environment's episode has had; -1 before its first observation."""
        lengths: np.ndarray = self._lengths[envs]
        return lengths

    def has_root(self, envs: Int[np.ndarray, " batch"]) -> Bool[np.ndarray, " batch"]:
        """Tell which environments have been observed since their episode began."""
        has_root: np.ndarray = self._lengths[envs] > 0
        return has_root

    def is_made_by(self, envs: Int[np.ndarray, " batch"], version: int) -> Bool[np.ndarray, " batch"]:
        """Tell which roots the weights of `version` made, those of episodes that are over included."""
        is_made: np.ndarray = self._versions[envs] == version
        return is_made

    def is_stale(self, envs: Int[np.ndarray, " batch"], version: int) -> Bool[np.ndarray, " batch"]:
        """Tell which roots have tokens that other weights made, or that were lost."""
        is_stale: np.ndarray = self.has_root(envs) & ~self.is_made_by(envs, version)
        return is_stale

    def refuse_stale(self, envs: Int[np.ndarray, " batch"], version: int) -> None:
        """Let nothing be read that is stale.

        Raises:
            StaleContextError: if a root was made by other weights, or was lost.
        """
        stale = envs[self.is_stale(envs, version)]
        if not stale.size:
            return
        lost = stale[self.is_made_by(stale, NOT_HELD)].tolist()
        raise StaleContextError(
            f"roots of environments {stale.tolist()} were made by weights {self._versions[stale].tolist()}"
            f"{f' (those of {lost} are no longer held)' if lost else ''}, not by the current {version}; "
            "rebuild them before reading"
        )

    def record(self, envs: Int[np.ndarray, " batch"], version: int, lengths: Int[np.ndarray, " batch"]) -> None:
        """Take in that the weights of `version` made roots of so many tokens; any search is over."""
        self._lengths[envs] = lengths
        self._versions[envs] = version
        self._search += 1

    def lose(self, env: int) -> None:
        """Take in that the keys and values of a root are gone: it is stale for all weights until it is made again."""
        self._versions[env] = NOT_HELD

    def forget(self, envs: Int[np.ndarray, " batch"]) -> None:
        """Take in that the next observation of these environments begins an episode; any search is over."""
        self._lengths[envs] = BEFORE_FIRST_TOKEN
        self._search += 1

    def begin_search(self, envs: Int[np.ndarray, " batch"], version: int) -> int:
        """Return the number of a new search below these roots; any search before it is over.

        Raises:
            StaleContextError: if a root is stale, or there is none.
        """
        self.refuse_stale(envs, version)
        missing = envs[~self.has_root(envs)]
        if missing.size:
            raise StaleContextError(f"environments {missing.tolist()} have no root; observe them first")
        self._search += 1
        return self._search

    def refuse_over(self, search: int) -> None:
        """Let nothing be read or written in a search that is over.

        Raises:
            StaleContextError: if it is.
        """
        if search != self._search:
            raise StaleContextError(
                "this search is over: in its store a root has changed or another search was begun; "
                "finish a search before observing, and keep one store per planner"
            )
