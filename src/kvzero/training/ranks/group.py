"""The ranks of a run as one of them sees them: what they add up and tell each other, over torch.distributed.

Two groups of torch.distributed hold the same ranks. Over one, rank 0 gives orders, which the others may await for as
long as it collects, evaluates or saves. Over the other they compute an update together. Whoever is late for `TIMEOUT`
there, or in taking an order, is taken for gone.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor

from kvzero.errors import ConfigError
from kvzero.model import Network
from kvzero.replay import Segments
from kvzero.training.learning import Learner
from kvzero.training.learning.config import NumberType
from kvzero.training.ranks.orders import Begin, End, Order, Show, Update
from kvzero.training.ranks.peers import Peer, lost_rank
from kvzero.training.ranks.place import Place, choose_own_device
from kvzero.training.ranks.replica import copy_learner
from kvzero.training.ranks.shares import split_segments

__all__ = ["RankGroup"]

MEETING = timedelta(minutes=5)
"""How long the first rank waits for the last while they start: they read what they need from disk."""

TIMEOUT = timedelta(seconds=45)
"""How long one rank waits for the others in the middle of an update, and rank 0 for who is to take an order."""

PATIENCE = timedelta(days=7)
"""How long an order may take to come. A rank 0 that has ended is noticed at once: its connection is closed."""


class RankGroup:
    """This process among the ranks of a run; serves `Ranks`."""

    def __init__(self, place: Place) -> None:
        """Meet the others.

        Raises:
            RankError: if they do not come.
        """
        self.rank = place.rank
        self.num_ranks = place.num_ranks
        self._place = place
        self._peers: list[Peer] = []
        uses_gpus = torch.cuda.is_available() and dist.is_nccl_available()
        backend = "cpu:gloo,cuda:nccl" if uses_gpus else "gloo"
        if uses_gpus:  # a rank that is gone should raise here, not end the process without a checkpoint
            os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
        with self._naming_the_lost():
            dist.init_process_group(backend, timeout=MEETING, rank=place.rank, world_size=place.num_ranks)
            self._orders = dist.new_group(backend="gloo", timeout=TIMEOUT if place.rank == 0 else PATIENCE)
            self._updates = dist.new_group(backend=backend, timeout=TIMEOUT)
            peers: list[Any] = [None] * self.num_ranks
            dist.all_gather_object(peers, Peer(host=socket.gethostname(), process=os.getpid()))
        self._peers = peers

    def close(self) -> None:
        """Leave the others."""
        dist.destroy_process_group()

    def choose_device(self, name: str) -> torch.device:
        """Return the device called `name` that is this rank's own.

        Raises:
            ConfigError, DeviceError: if there is none.
        """
        device = choose_own_device(name, self._place)
        if device.type == "cuda":
            torch.cuda.set_device(device)  # where NCCL looks for it
        return device

    def begin(self, learner: Learner) -> None:
        """Bring all ranks to where this learner is.

        Raises:
            ConfigError: if its batches cannot be shared evenly.
        """
        batch_size, num_ranks = learner.config.batch_size, self.num_ranks
        if batch_size % num_ranks:
            raise ConfigError(
                f"batch_size is {batch_size}, which {num_ranks} ranks cannot share evenly; give a multiple of "
                f"{num_ranks}, such as {-(-batch_size // num_ranks) * num_ranks}, or start as many ranks as divide it"
            )
        self._tell(Begin(copy_learner(learner)))
        self.meet()

    def meet(self) -> None:
        """Wait until all ranks have come here, for as long as making a learner may take."""
        with self._naming_the_lost():
            dist.all_reduce(torch.zeros(()))

    def show(self, observations: Shaped[np.ndarray, "env ..."]) -> None:
        """Let all ranks add these to what is normalised by."""
        if self.rank == 0:
            self._tell(Show(observations))

    def share(self, segments: Segments) -> Segments:
        """Give each rank its share of a batch, and return that of rank 0; another has its own already."""
        if self.rank > 0:
            return segments
        self._tell(Update())
        return self._scatter(split_segments(segments, self.num_ranks))

    def end(self, outcome: Any) -> None:
        """Tell the others that rank 0 needs them no more, and what it returns to its caller."""
        self._tell(End(outcome))

    def await_order(self) -> Order:
        """Return what rank 0 wants of the others."""
        order: Order = self._broadcast(None)
        return order

    def await_share(self) -> Segments:
        """Return this rank's share of the batch that an update was ordered for."""
        return self._scatter(None)

    def sum(self, numbers: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the sum of what all ranks give, the same bits on each."""
        summed = numbers.detach().clone()
        with self._naming_the_lost():
            dist.all_reduce(summed, group=self._updates)
        return summed

    def sum_gradients(self, network: Network) -> None:
        """Put the sum over all ranks in place of each gradient, in one message."""
        gradients = [weights.grad for weights in network.parameters() if weights.grad is not None]
        summed = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(summed, [gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [part.view_as(of) for part, of in zip(parts, gradients, strict=True)])

    def gather(self, values: Shaped[Tensor, " share"]) -> Shaped[Tensor, " batch"]:
        """Return what all ranks give for their shares, as one batch."""
        parts = [torch.empty_like(values) for _ in range(self.num_ranks)]
        with self._naming_the_lost():
            dist.all_gather(parts, values.contiguous(), group=self._updates)
        return torch.cat(parts)

    def agree(self, number_type: NumberType) -> NumberType:
        """Return what rank 0 gives."""
        given = [number_type]
        with self._naming_the_lost():
            dist.broadcast_object_list(given, src=0, group=self._updates)
        return given[0]

    def _tell(self, order: Order) -> None:
        self._broadcast(order)

    def _broadcast(self, order: Order | None) -> Any:
        orders = [order]
        with self._naming_the_lost():
            dist.broadcast_object_list(orders, src=0, group=self._orders)
        return orders[0]

    def _scatter(self, shares: list[Segments] | None) -> Segments:
        found: list[Segments | None] = [None]
        with self._naming_the_lost():
            dist.scatter_object_list(found, shares, src=0, group=self._updates)
        return cast("Segments", found[0])

    @contextmanager
    def _naming_the_lost(self) -> Iterator[None]:
        """Inside the block, let what torch.distributed raises say which rank is gone.

        Raises:
            RankError: in place of it.
        """
        try:
            yield
        except RuntimeError as error:  # torch.distributed has several, all of them below it
            raise lost_rank(self._peers, error) from error
