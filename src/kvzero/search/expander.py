"""What the search asks of a model, and the records in which questions and answers travel."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64

from kvzero.errors import SearchError

__all__ = [
    "CompiledExpander",
    "Evaluation",
    "Expander",
    "Leaves",
    "MachineCode",
    "Roots",
    "check_evaluation",
    "check_roots",
]


@dataclass(frozen=True, slots=True)
class Roots:
    """The newest real observation of each environment, as the model reads it."""

    logits: Float32[np.ndarray, "env action"]
    """Policy logits; illegal actions have one too, which is not used."""

    values: Float32[np.ndarray, " env"]
    """Predicted discounted return."""

    action_masks: Bool[np.ndarray, "env action"]
    """Which actions are legal: at least one for each environment."""


@dataclass(frozen=True, slots=True)
class Leaves:
    """One new node for each environment, to be evaluated; the arrays are made anew for each simulation."""

    node: int
    """Index that the new node has in every tree: the number of the simulation, from 0, plus 1."""

    parents: Int64[np.ndarray, " env"]
    """Index of the node below which each new node hangs; 0 is the root."""

    actions: Int64[np.ndarray, " env"]
    """Action that leads from the parent to the new node."""

    depths: Int64[np.ndarray, " env"]
    """Environment steps between root and new node, at least 1."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model predicts for one new node of each environment; copied before the next call, so it may be reused."""

    rewards: Float32[np.ndarray, " env"]
    """Reward of the action that leads to the new node."""

    values: Float32[np.ndarray, " env"]
    """Discounted return from the new node on."""

    logits: Float32[np.ndarray, "env action"]
    """Policy logits at the new node, all finite; every action is allowed inside the tree."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Expander(Protocol):
    """What the search asks of a model: evaluate one new node for every tree."""

    def expand(self, leaves: Leaves) -> Evaluation:
        """Predict the reward on the way to each new node, and the value and the policy there."""
        ...


@dataclass(frozen=True, slots=True)
class MachineCode:
    """The address of a function that evaluates one new node for every tree, and of what it works on.

    In C: `void expand(void *state, int64_t num_envs, int64_t num_nodes, int64_t node, const int64_t *parents, const
    int64_t *actions, const int64_t *depths, float *rewards, float *values, float *logits)`. The arrays of integers are
    those of `Tree`, `[env, node]`; it reads their column `node`. The arrays of floats are those of `Evaluation`, to be
    written whole. It must not fail.
    """

    function: int
    """Address of the function."""

    state: int
    """What the function gets as its first argument."""


@runtime_checkable
class CompiledExpander(Protocol):
    """What evaluates new nodes in machine code: a whole search then runs without going back to Python."""

    @property
    def machine_code(self) -> MachineCode:
        """The code, valid as long as the expander is."""
        ...


def check_roots(roots: Roots) -> None:
    """Refuse roots that no tree can grow from.

    Raises:
        SearchError: if shapes or types do not fit, a number is not finite, or an environment has no legal action.
    """
    shape = np.shape(roots.action_masks)
    if len(shape) != 2:
        raise SearchError(f"action_masks of roots has shape {shape}; give [env, action]")
    _check_array("roots", "action_masks", roots.action_masks, shape, np.bool_)
    _check_array("roots", "logits", roots.logits, shape, np.float32)
    _check_array("roots", "values", roots.values, shape[:1], np.float32)
    is_finite = np.isfinite(roots.values) & np.isfinite(roots.logits).all(axis=1)
    for env in np.flatnonzero(~is_finite):
        raise SearchError(f"value {roots.values[env]} and logits {roots.logits[env]} of root {env} are not all finite")
    for env in np.flatnonzero(~roots.action_masks.any(axis=1)):
        raise SearchError(f"environment {env} has no legal action; its row of action_masks is all False")


def check_evaluation(evaluation: Evaluation, num_envs: int, num_actions: int) -> None:
    """Refuse an evaluation whose arrays do not fit the trees; whether its numbers are finite is seen in the backup.

    Raises:
        SearchError: if a shape or a type does not fit.
    """
    _check_array("the evaluation", "rewards", evaluation.rewards, (num_envs,), np.float32)
    _check_array("the evaluation", "values", evaluation.values, (num_envs,), np.float32)
    _check_array("the evaluation", "logits", evaluation.logits, (num_envs, num_actions), np.float32)


def _check_array(owner: str, name: str, array: object, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    if not isinstance(array, np.ndarray):
        raise SearchError(f"{name} of {owner} is a {type(array).__name__}; give a NumPy array")
    if array.shape != shape or array.dtype != dtype:
        raise SearchError(
            f"{name} of {owner} has shape {array.shape} and type {array.dtype}; "
            f"give shape {shape} and type {np.dtype(dtype)}"
        )
