"""What searches rows in a process elsewhere: a network with the EMA weights, and an engine of one thread."""

import copy
import socket
import time

import numpy as np
import torch

from kvzero.errors import KvzeroError
from kvzero.model import Network
from kvzero.records import EnvSpec
from kvzero.reports import rss_bytes
from kvzero.training.allocator import keep_freed_memory
from kvzero.training.config import RunConfig
from kvzero.training.distributed.reanalysers.messages import Found, SearchOrder
from kvzero.training.distributed.refusals import Refusal
from kvzero.training.distributed.weights import Weights
from kvzero.training.learning import RowSearch

__all__ = ["RemoteReanalyser"]


class RemoteReanalyser:
    """Searches the rows that it is ordered to. What it finds depends on what it is asked, and on nothing before."""

    def __init__(self, config: RunConfig, spec: EnvSpec) -> None:
        """Search as a run with this config does, in environments that show and accept this."""
        torch.set_num_threads(1)
        keep_freed_memory()
        self._config = config
        self._spec = spec
        self._rows: RowSearch | None = None
        self._version = 0
        self._idle_since = time.monotonic()

    def search(self, order: SearchOrder, weights: Weights) -> Found | Refusal:
        """Search with these weights."""
        try:
            return self._search(order, weights)
        except KvzeroError as error:
            return Refusal(socket.gethostname(), error)

    def _search(self, order: SearchOrder, weights: Weights) -> Found:
        begun = time.monotonic()
        rows = self._ready(weights)
        rows.set_discount(order.discount)
        rng = np.random.default_rng(order.seed)
        findings = [rows.search(copy.deepcopy(batch), rng) for batch in order.batches]  # PyTorch wants to write
        ended, idle_since = time.monotonic(), self._idle_since
        self._idle_since = ended
        return Found(
            findings=findings,
            num_rows=order.num_rows,
            search_seconds=ended - begun,
            idle_seconds=begun - idle_since,
            rss_bytes=rss_bytes(),
        )

    def _ready(self, weights: Weights) -> RowSearch:
        """Return what searches, with these weights."""
        if self._rows is None:
            self._rows = RowSearch(Network(self._config.agent.model, self._spec), self._config.agent)
        if weights.version != self._version:
            self._rows.network.load_arrays(weights.arrays)
            self._version = weights.version
        return self._rows
