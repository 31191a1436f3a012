"""One search on a device from roots to visit counts: the host neither waits nor looks before the last node is added."""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from kvzero.errors import SearchError
from kvzero.search.config import RuleKind, SearchConfig
from kvzero.search.device_rules import make_host_half, make_tensor_half
from kvzero.search.device_tree import NO_FAILURE, Workspace, allocate_workspace, read_tree
from kvzero.search.simulation import Outcome, read_outcome
from kvzero.search.tensor_operations import TensorOperations

__all__ = ["DeviceEvaluation", "DeviceExpander", "DeviceLeaves", "DeviceSearch"]


@dataclass(frozen=True, slots=True)
class DeviceLeaves:
    """One new node for each environment, to be evaluated; the tensors are read before the next simulation."""

    node: int
    """Index that the new node has in every tree: the number of the simulation, from 0, plus 1."""

    parents: Int64[Tensor, " env"]
    """Index of the node below which each new node hangs; 0 is the root."""

    actions: Int64[Tensor, " env"]
    """Action that leads from the parent to the new node."""

    depths: Int64[Tensor, " env"]
    """Environment steps between root and new node, at least 1."""


@dataclass(frozen=True, slots=True)
class DeviceEvaluation:
    """What a model predicts for one new node of each environment; copied before the next call, so it may be reused."""

    rewards: Float32[Tensor, " env"]
    """Reward of the action that leads to the new node."""

    values: Float32[Tensor, " env"]
    """Discounted return from the new node on."""

    logits: Float32[Tensor, "env action"]
    """Policy logits at the new node, all finite; every action is allowed inside the tree."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class DeviceExpander(Protocol):
    """What a search on a device asks of a model: tensors in, tensors out, and no waiting for a result."""

    def expand(self, leaves: DeviceLeaves) -> DeviceEvaluation:
        """Predict the reward on the way to each new node, and the value and the policy there."""
        ...


@runtime_checkable
class TreeOperations(Protocol):
    """The operations in which trees are read and written; node 0 is the root."""

    def plant(self) -> None:
        """Empty the trees and make their roots of row 0 of the evaluations."""

    def select(self, node: int) -> None:
        """Hang the new `node` into every tree."""

    def back_up(self, node: int) -> None:
        """Tell all nodes above `node` what its row of the evaluations is worth."""


class DeviceSearch:
    """Searches of one shape, one after the other: `load` roots and chance, `run`, `read` the outcome.

    `run` consists of operations on tensors that stay where they are, so it can be recorded and replayed. It gives the
    trees that `search` gives, except for the rounding of exponentials. Up to `num_envs` environments are searched; the
    rows that are not needed are searched too, and thrown away.
    """

    def __init__(self, num_envs: int, num_actions: int, config: SearchConfig, *, device: torch.device) -> None:
        """Allocate the trees.

        Raises:
            EngineError: if the rule is not written for devices.
        """
        is_cuda = device.type == "cuda"
        self.device = device
        self._config = config
        self._rule = make_host_half(config)
        self._work = allocate_workspace(num_envs, num_actions, config, device=device)
        self._host = allocate_workspace(
            num_envs, num_actions, config, device=torch.device("cpu"), is_pinned=is_cuda
        )  # what goes to the device and what comes back
        self._operations = choose_operations(self._work, config.rule)

    def set_discount(self, discount: float) -> None:
        """Reckon with another discount from the next `load` on; recordings of `run` stay good."""
        self._config = replace(self._config, discount=discount)
        self._rule = make_host_half(self._config)

    def load(
        self,
        logits: Float32[Tensor, "env action"],
        values: Float32[Tensor, " env"],
        action_masks: Bool[np.ndarray, "asked action"],
        *,
        rng: np.random.Generator | None,
    ) -> None:
        """Take roots, of which those that have a row in `action_masks` are asked for, and draw what is left to chance.

        With `rng` the search explores, as `search` does and with the same numbers.

        Raises:
            SearchError: if a root has no legal action, or there are more than there is room for.
        """
        num_asked = len(action_masks)
        if not 1 <= num_asked <= len(logits):
            raise SearchError(f"{num_asked} roots are asked for; this search has room for 1 to {len(logits)}")
        for env in np.flatnonzero(~action_masks.any(axis=1)):
            raise SearchError(f"environment {env} has no legal action; its row of action_masks is all False")
        self._draw(action_masks, rng)
        self._work.chance_memory.copy_(self._host.chance_memory, non_blocking=True)
        roots = self._work.evaluations[0]
        roots[:, 1].copy_(values, non_blocking=True)
        roots[:, 2:].copy_(logits, non_blocking=True)

    def run(self, expander: DeviceExpander) -> None:
        """Grow the trees, asking `expander` exactly `config.num_simulations` times."""
        tree, evaluations = self._work.tree, self._work.evaluations
        self._operations.plant()
        for node in range(1, len(evaluations)):
            self._operations.select(node)
            found = expander.expand(
                DeviceLeaves(node, tree.parents[:, node], tree.actions[:, node], tree.depths[:, node])
            )
            predictions = [found.rewards[:, None], found.values[:, None], found.logits]
            torch.cat(predictions, dim=1, out=evaluations[node])
            self._operations.back_up(node)

    def read(
        self, num_asked: int, *, rng: np.random.Generator | None = None, temperature: float | None = None
    ) -> Outcome:
        """Wait for the search and return what it found out about the first `num_asked` roots.

        With `temperature` the actions to play are drawn with `rng`, as `search` draws them.

        Raises:
            SearchError: if a number of a root or of an evaluation is not finite, or a temperature has no `rng`.
        """
        self._host.tree_memory.copy_(self._work.tree_memory, non_blocking=True)
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        self._refuse_failure(self._host.tree.failures[:num_asked].numpy())
        tree = read_tree(self._host, num_asked)
        numbers = self._rule.numbers(tree, self._host.chance)
        return read_outcome(tree, self._rule.rule, numbers, rng=rng, temperature=temperature)

    def _draw(self, action_masks: Bool[np.ndarray, "asked action"], rng: np.random.Generator | None) -> None:
        """Write masks and chance into host memory; in rows that were not asked for, all actions are legal."""
        self._host.chance_memory.zero_()
        legal = self._host.chance.legal.numpy()
        legal.fill(1.0)
        legal[: len(action_masks)] = action_masks
        self._rule.draw(self._host.chance, action_masks, rng)

    def _refuse_failure(self, failures: Int64[np.ndarray, " asked"]) -> None:
        """Refuse the earliest evaluation that is not finite, of several the one of the first environment."""
        broken = np.flatnonzero(failures != NO_FAILURE)
        if len(broken):
            env = int(broken[failures[broken].argmin()])
            raise SearchError(_describe(self._work, int(failures[env]), env))


def choose_operations(workspace: Workspace, kind: RuleKind) -> TreeOperations:
    """Return the fastest operations for where the workspace lies: kernels on a GPU, if there is a Triton."""
    device, rule = workspace.tree_memory.device, make_tensor_half(kind, workspace)
    if device.type == "cuda" and find_spec("triton") is not None:
        from kvzero.search.triton_operations import try_triton_operations  # noqa: PLC0415  # optional

        with torch.cuda.device(device):
            operations = try_triton_operations(workspace, kind, rule)
        if operations is not None:
            return operations
    return TensorOperations(workspace, rule)


def _describe(workspace: Workspace, node: int, env: int) -> str:
    reward, value, *logits = workspace.evaluations[node, env].tolist()
    if node == 0:
        return f"value {value} and logits {logits} of root {env} are not all finite"
    return (
        f"the model's evaluation of node {node} of environment {env} is not finite: "
        f"reward {reward}, value {value}, logits {logits}"
    )
