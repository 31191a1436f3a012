"""A model whose predictions stand in tables, so that NumPy and JAX can look up the same."""

from dataclasses import dataclass

import numpy as np

from kvzero.search import Evaluation, Leaves, Roots

NUM_STATES = 997


@dataclass(frozen=True)
class Tables:
    """What the model predicts in each of its states; every state and action lead to one of them."""

    rewards: np.ndarray
    values: np.ndarray
    logits: np.ndarray

    @staticmethod
    def draw(seed: int, num_actions: int, *, logit_scale: float = 1.0) -> "Tables":
        rng = np.random.default_rng(seed)
        rewards, values = rng.normal(size=(2, NUM_STATES)).astype(np.float32)
        return Tables(rewards, values, (logit_scale * rng.normal(size=(NUM_STATES, num_actions))).astype(np.float32))

    def roots(self, masks: np.ndarray) -> Roots:
        """Return roots in the first states."""
        envs = np.arange(len(masks))
        return Roots(self.logits[envs], self.values[envs], masks)


def step(states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Return the states that actions lead to; for arrays of NumPy and of JAX."""
    return (states * 31 + actions * 57 + 11) % NUM_STATES


class TableModel:
    """An expander that looks predictions up."""

    def __init__(self, tables: Tables, num_envs: int, num_simulations: int) -> None:
        self._tables = tables
        self._states = np.zeros((num_envs, num_simulations + 1), np.int64)
        self._states[:, 0] = np.arange(num_envs)

    def expand(self, leaves: Leaves) -> Evaluation:
        states = step(self._states[np.arange(len(leaves.parents)), leaves.parents], leaves.actions)
        self._states[:, leaves.node] = states
        return Evaluation(self._tables.rewards[states], self._tables.values[states], self._tables.logits[states])
