"""What an agent asks of an engine."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int, Shaped

from kvzero.cache import ContextStore
from kvzero.engines.config import EngineKind
from kvzero.model import RootReading
from kvzero.search import Outcome

__all__ = ["Engine", "Past"]


@dataclass(frozen=True, slots=True)
class Past:
    """The newest steps of some episodes, newest last, padded on the left where an episode is younger."""

    observations: Shaped[np.ndarray, "env time ..."]
    """What was seen, the newest observation included."""

    actions: Shaped[np.ndarray, "env time-1 *action"]
    """What was done between two observations."""

    is_valid: Bool[np.ndarray, "env time"]
    """Which observations there are."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Engine(Protocol):
    """Computes searches below the roots of one store.

    The roots are those of the store's environments, but nothing has to live there: any sequence of observations and
    actions becomes a root by `rebuild`. Every call is for some of the environments, in any order.
    """

    @property
    def name(self) -> EngineKind:
        """Which engine it is; never auto."""

    @property
    def store(self) -> ContextStore:
        """Where keys and values of roots and nodes live."""

    def extend(
        self,
        envs: Int[np.ndarray, " env"],
        observations: Shaped[np.ndarray, "env ..."],
        actions: Shaped[np.ndarray, "env *action"],
    ) -> None:
        """Move each root on by the action taken and the observation seen next; where an episode begins, begin it.

        Raises:
            StaleContextError: if a root was made by other weights.
        """

    def rebuild(self, envs: Int[np.ndarray, " env"], past: Past, lengths: Int[np.ndarray, " env"]) -> None:
        """Replace each root by that of a sequence, whose episode has had `lengths` tokens, with the weights of now."""

    def rebuild_along(self, envs: Int[np.ndarray, " env"], past: Past, is_root: Bool[np.ndarray, "chunk time"]) -> None:
        """Replace each root by that of one marked observation of some stretches, with the weights of now.

        `past` holds a stretch of an episode in each row, from the episode's beginning on or with as many steps before
        the first marked observation as the network's receptive field asks for. Roots are taken stretch by stretch, the
        oldest of each first.
        """

    def readings(self, envs: Int[np.ndarray, " env"]) -> RootReading:
        """Return what the network said of the newest observation at each root, where the engine keeps it."""

    def keep(self, envs: Int[np.ndarray, " env"], reading: RootReading) -> None:
        """Take in what the network said of roots that were put into the store as they were saved."""

    def set_discount(self, discount: float) -> None:
        """Search with another discount from now on; roots do not depend on it."""

    def search(
        self,
        envs: Int[np.ndarray, " env"],
        action_masks: Bool[np.ndarray, "env action"],
        *,
        rng: np.random.Generator | None,
        temperature: float | None = None,
    ) -> Outcome:
        """Search below each root; see `kvzero.search.search` for `rng` and `temperature`.

        Raises:
            StaleContextError: if a root was made by other weights, or there is none.
            SearchError: if a number in a root or an evaluation is not finite, or a root has no legal action.
        """
