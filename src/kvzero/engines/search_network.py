"""The network that searches: the one that is trained, or a copy of it in another number type."""

from copy import deepcopy

import torch

from kvzero.engines.config import SearchDtype
from kvzero.model import Network

__all__ = ["SearchNetwork"]


class SearchNetwork:
    """The network in the number type of the search: itself, or a copy that follows its weights."""

    def __init__(self, network: Network, search_dtype: SearchDtype) -> None:
        """Search in bfloat16 where that is asked for, else in the type of the weights."""
        self.source = network
        self.dtype = torch.bfloat16 if search_dtype == "bfloat16" else network.action_table.weight.dtype
        self._copy: Network | None = None
        self._version = network.version

    @property
    def current(self) -> Network:
        """The network with the weights of now; the copy is made when it is first asked for."""
        if self.source.action_table.weight.dtype == self.dtype:
            return self.source
        if self._copy is None:
            with torch.inference_mode(mode=False):
                self._copy = deepcopy(self.source).to(self.dtype).requires_grad_(requires_grad=False)
        elif self._version != self.source.version:
            self._copy.load_state_dict(self.source.state_dict())
        self._version = self.source.version
        return self._copy
