"""What to make of visit counts: a policy to learn from, an action to explore with, an action to play."""

import numpy as np
from jaxtyping import Float64, Int64

from kvzero.errors import SearchError

__all__ = ["greedy_actions", "sample_actions", "visit_policy"]


def visit_policy(
    visit_counts: Int64[np.ndarray, "env action"], temperature: float
) -> Float64[np.ndarray, "env action"]:
    """Return visits to the power of 1 / temperature, as probabilities (AlphaGo Zero, Silver et al. 2017).

    Temperature 1 gives the share of visits; towards 0 the most visited action takes all, and ties for it share.

    Raises:
        SearchError: if the temperature is not positive, or an environment has no visits.
    """
    if not temperature > 0:
        raise SearchError(f"temperature is {temperature}; give a positive one, or take greedy_actions")
    most = visit_counts.max(axis=1, keepdims=True)
    for env in np.flatnonzero(most <= 0):
        raise SearchError(f"environment {env} has no visits to make a policy of")
    weights = visit_counts / most
    if temperature != 1.0:
        weights = weights ** (1.0 / temperature)
    policy: Float64[np.ndarray, "env action"] = weights / weights.sum(axis=1, keepdims=True)
    return policy


def sample_actions(policy: Float64[np.ndarray, "env action"], rng: np.random.Generator) -> Int64[np.ndarray, " env"]:
    """Return one action for each environment, drawn from its row of `policy`; never one of probability 0."""
    cumulated = policy.cumsum(axis=1)
    thresholds = rng.random((len(policy), 1)) * cumulated[:, -1:]
    actions: Int64[np.ndarray, " env"] = (cumulated > thresholds).argmax(axis=1)
    return actions


def greedy_actions(visit_counts: Int64[np.ndarray, "env action"]) -> Int64[np.ndarray, " env"]:
    """Return the most visited action of each environment, the first one of several."""
    actions: Int64[np.ndarray, " env"] = visit_counts.argmax(axis=1)
    return actions
