"""The native engine's function called from Python, node by node, so that all that it predicts is seen."""

import ctypes
from collections.abc import Callable

import numpy as np
import torch

from kvzero.engines import host_search, native
from kvzero.engines.native import NativeExpander
from kvzero.model import Expansion
from kvzero.search import Evaluation, Expander, Leaves, Outcome, search

FUNCTION = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4, *[ctypes.c_void_p] * 6)


class PythonExpander:
    """Does what a native expander does, asked from Python; `expansion` is what the newest nodes said, latents too."""

    def __init__(self, expander: NativeExpander) -> None:
        self.choices = expander.choices
        self._expander = expander
        self._network = network = expander.native.network
        num_envs, drawing = len(expander.envs), expander.choices.drawing
        self._latents = np.empty((num_envs, network.config.embed_dim), np.float32)
        self._policies = np.empty((num_envs, network.policy_size), np.float32)
        self._num_choices = network.spec.num_actions if drawing is None else drawing.sets.shape[2]
        places = expander.memory, expander.envs, expander.root_positions
        self._search = native.NativeSearch(
            expander.native, *places, drawing=drawing, latents=self._latents, policies=self._policies
        )
        self._function = FUNCTION(expander.machine_code.function)

    def expand(self, leaves: Leaves) -> Evaluation:
        num_envs = len(leaves.parents)
        rewards, values = np.empty(num_envs, np.float32), np.empty(num_envs, np.float32)
        logits = np.empty((num_envs, self._num_choices), np.float32)
        # One number per environment: for the function, column `node` of trees that have room for one node only.
        columns = [numbers.ctypes.data - 8 * leaves.node for numbers in (leaves.parents, leaves.actions, leaves.depths)]
        answers = [numbers.ctypes.data for numbers in (rewards, values, logits)]
        self._function(self._search.address, num_envs, 1, leaves.node, *columns, *answers)
        policies = logits if self.choices.drawing is None else self._policies
        numbers = (rewards, values, policies, self._latents)
        self.expansion = Expansion(*(torch.from_numpy(each.copy()) for each in numbers))
        return Evaluation(rewards, values, logits)


def search_in_python(
    monkeypatch: object, wrap: Callable[[PythonExpander], Expander] = lambda expander: expander
) -> None:
    """Let native searches be driven from Python, each by what `wrap` makes of its expander."""

    def drive(roots: object, expander: object, *rest: object, **more: object) -> Outcome:
        if isinstance(expander, NativeExpander):
            expander = wrap(PythonExpander(expander))
        return search(roots, expander, *rest, **more)

    monkeypatch.setattr(host_search, "search", drive)
