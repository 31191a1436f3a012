"""What a learner asks of the ranks that make each update together, and the answers where there is but one."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from kvzero.model import Network, choose_device
from kvzero.replay import Segments
from kvzero.training.learning.config import NumberType

if TYPE_CHECKING:
    import kvzero.training.learning.learner

__all__ = ["Alone", "Ranks"]


@runtime_checkable  # the shape checks of the test session ask isinstance
class Ranks(Protocol):
    """Processes that make the same updates, each from its share of every batch.

    Rank 0 is asked first, and tells the others; what they are asked in its wake, they answer for themselves. All ranks
    ask the same, in the same order, and wait for each other. Each method but `choose_device` raises `RankError` where
    another rank is gone.
    """

    @property
    def rank(self) -> int:
        """Which of them this is, from 0."""
        ...

    @property
    def num_ranks(self) -> int:
        """How many there are."""
        ...

    def choose_device(self, name: str) -> torch.device:
        """Return the device called `name` that is this rank's own.

        Raises:
            ConfigError, DeviceError: if there is none.
        """
        ...

    def begin(self, learner: "kvzero.training.learning.learner.Learner") -> None:
        """Bring all ranks to where this learner is.

        Raises:
            ConfigError: if its batches cannot be shared evenly.
        """
        ...

    def show(self, observations: Shaped[np.ndarray, "env ..."]) -> None:
        """Let all ranks add these to what is normalised by."""
        ...

    def share(self, segments: Segments) -> Segments:
        """Give each rank its share of a batch, in the order of ranks; return this one's."""
        ...

    def sum(self, numbers: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the sum of what all ranks give, the same bits on each."""
        ...

    def sum_gradients(self, network: Network) -> None:
        """Put the sum over all ranks in place of each gradient."""
        ...

    def gather(self, values: Shaped[Tensor, " share"]) -> Shaped[Tensor, " batch"]:
        """Return what all ranks give for their shares, as one batch."""
        ...

    def agree(self, number_type: NumberType) -> NumberType:
        """Return what rank 0 gives."""
        ...


class Alone:
    """The one rank of a run without others: each batch is its own, and so is every sum."""

    rank = 0
    num_ranks = 1

    def choose_device(self, name: str) -> torch.device:
        """Return the device called `name`."""
        return choose_device(name)

    def begin(self, learner: "kvzero.training.learning.learner.Learner") -> None:
        """Tell nobody."""

    def show(self, observations: Shaped[np.ndarray, "env ..."]) -> None:
        """Show nobody."""

    def share(self, segments: Segments) -> Segments:
        """Return the whole batch."""
        return segments

    def sum(self, numbers: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the numbers."""
        return numbers

    def sum_gradients(self, network: Network) -> None:
        """Leave the gradients as they are."""

    def gather(self, values: Shaped[Tensor, " share"]) -> Shaped[Tensor, " batch"]:
        """Return the values."""
        return values

    def agree(self, number_type: NumberType) -> NumberType:
        """Return the number type."""
        return number_type
