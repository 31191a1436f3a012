"""Gumbel, the rule of Danihelka et al. 2022: some actions of the root, halved in rounds, and a policy of values."""

from functools import cache
from math import ceil, exp, inf, log2
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from kvzero.search.compiled import compiled
from kvzero.search.config import SearchConfig
from kvzero.search.rules.rule import Decision
from kvzero.search.tree import UNVISITED, Tree, build_kernels, edge_value

__all__ = ["GumbelRule"]

LEAST_PRIOR = 1e-300


class Gumbel(NamedTuple):
    """What the kernels compute with; the arrays are those of one search."""

    discount: float
    min_value_range: float
    c_visit: float
    c_scale: float

    root_scores: Float64[np.ndarray, "env action"]
    """Gumbel number + logarithm of the prior, of each action at the root."""

    schedule: Int64[np.ndarray, "env simulation"]
    """How often an action at the root was visited that is considered in each simulation, see `considered_visits`."""

    notes: Float64[np.ndarray, " action"]
    """Where the kernels note a number for each action of the node that they are at."""


@compiled
def select_action(tree: Tree, numbers: Gumbel, env: int, node: int) -> int:
    """Return the action that sequential halving considers best at the root, or that lags most behind the policy inside.

    All kernels here end in one place: where several do, numba counts references to every array at every step, which
    takes longer than the step itself.
    """
    if node == 0:
        num_simulations = tree.visit_counts[env, 0] - 1  # the root's own evaluation is its first visit
        best = best_considered(tree, numbers, env, numbers.schedule[env, num_simulations])
    else:
        best = most_lagging(tree, numbers, env, node)
    return best


@compiled
def best_considered(tree: Tree, numbers: Gumbel, env: int, considered_visits: int) -> int:
    """Return the legal action at the root of the highest Gumbel number + logit + sigma, of those visited so often.

    There always is one, see `considered_visits`.
    """
    note_values(tree, numbers, env, 0)
    best, best_score = -1, -inf
    for action in range(tree.priors.shape[2]):
        child = tree.children[env, 0, action]
        visits = 0 if child == UNVISITED else tree.visit_counts[env, child]
        if visits == considered_visits and tree.action_masks[env, action]:
            score = numbers.root_scores[env, action] + numbers.notes[action]
            if best < 0 or score > best_score:
                best, best_score = action, score
    return best


@compiled
def most_lagging(tree: Tree, numbers: Gumbel, env: int, node: int) -> int:
    """Return the action of the highest improved policy - N(a) / (1 + sum of N) (equation 14 of the paper).

    Nothing is left to chance: of equal actions, the lowest wins.
    """
    num_visits = tree.visit_counts[env, node]  # 1 + sum of N, as the node's own evaluation is its first visit
    total = note_policy(tree, numbers, env, node)
    best, best_score = -1, -inf
    for action in range(tree.priors.shape[2]):
        child = tree.children[env, node, action]
        visits = 0 if child == UNVISITED else tree.visit_counts[env, child]
        score = numbers.notes[action] * num_visits - total * visits  # both sides times the total and 1 + sum of N
        if score > best_score:
            best, best_score = action, score
    return best


@compiled
def note_values(tree: Tree, numbers: Gumbel, env: int, node: int) -> None:
    """Note `sigma(completed Q)` of every action at a node (equations 8 and 10 of the paper), the lowest being 0.

        sigma(Q) = (c_visit + largest N) * c_scale * Q / range of Q

    An action not tried yet has the mixed value: the node's own prediction, mixed with the values of the actions tried,
    which are weighed by their priors (appendix D). Actions that are illegal at the root count as not tried.
    """
    num_visits, most_visits, prediction = tree.visit_counts[env, node], 0, tree.value_sums[env, node]
    total_prior, total_value, low, high, is_open = 0.0, 0.0, inf, -inf, False
    for action in range(tree.priors.shape[2]):
        child = tree.children[env, node, action]
        if child == UNVISITED:
            is_open = True
        else:
            value, visits = edge_value(tree, numbers.discount, env, child), tree.visit_counts[env, child]
            prior = max(tree.priors[env, node, action], LEAST_PRIOR)
            numbers.notes[action] = value
            prediction -= visits * value  # of the sum of returns through the node, its own prediction remains
            total_prior, total_value = total_prior + prior, total_value + prior * value
            low, high, most_visits = min(low, value), max(high, value), max(most_visits, visits)
    mixed = prediction
    if most_visits > 0:
        mixed = (prediction + (num_visits - 1) * total_value / total_prior) / num_visits
    if is_open:
        low, high = min(low, mixed), max(high, mixed)
    factor = (numbers.c_visit + most_visits) * numbers.c_scale / max(high - low, numbers.min_value_range)
    for action in range(tree.priors.shape[2]):
        value = mixed if tree.children[env, node, action] == UNVISITED else numbers.notes[action]
        numbers.notes[action] = factor * (value - low)


@compiled
def note_policy(tree: Tree, numbers: Gumbel, env: int, node: int) -> float:
    """Note the improved policy of a node, softmax(logits + sigma) (equation 11), times a total that is returned."""
    note_values(tree, numbers, env, node)
    top, total = 0.0, 0.0
    for action in range(tree.priors.shape[2]):
        if tree.priors[env, node, action] > 0.0:  # nothing that is illegal at the root has one
            top = max(top, numbers.notes[action])
    last, weight = -1.0, 0.0  # what was not tried has one value: an exponential for each action would cost more
    for action in range(tree.priors.shape[2]):
        prior, value = tree.priors[env, node, action], numbers.notes[action]
        if value != last:
            last, weight = value, exp(value - top)
        numbers.notes[action] = prior * weight if prior > 0.0 else 0.0
        total += numbers.notes[action]
    return total


@compiled
def conclude(
    tree: Tree,
    numbers: Gumbel,
    most_visits: Int64[np.ndarray, " env"],
    chosen: Int64[np.ndarray, " env"],
    policy: Float64[np.ndarray, "env action"],
) -> None:
    """Write what survived the halving at each root, and the improved policy there."""
    for env in range(chosen.size):
        chosen[env] = best_considered(tree, numbers, env, most_visits[env])
        total = note_policy(tree, numbers, env, 0)
        policy[env] = numbers.notes / total


class GumbelRule:
    """Danihelka et al. 2022, "Policy improvement by planning with Gumbel": full Gumbel MuZero.

    The action is chosen by the search itself, so that neither noise nor a temperature has to see to exploration: Gumbel
    numbers draw the actions that are considered from the policy, without replacement, and what survives the halving of
    those is played.
    """

    kernels = build_kernels(select_action)

    def __init__(self, config: SearchConfig) -> None:
        self._config = config

    def begin(self, tree: Tree, rng: np.random.Generator | None) -> Gumbel:
        """Draw a Gumbel number for each action at the root; without `rng` all are 0: the likeliest are considered."""
        shape = tree.action_masks.shape
        return self.numbers(tree, np.zeros(shape) if rng is None else rng.gumbel(size=shape))

    def numbers(self, tree: Tree, gumbels: Float64[np.ndarray, "env action"]) -> Gumbel:
        """Return what the kernels compute with, for planted trees and Gumbel numbers."""
        config, gumbel = self._config, self._config.gumbel
        with np.errstate(divide="ignore"):  # what is illegal has no prior
            root_scores = np.log(tree.priors[:, 0])
        return Gumbel(
            float(config.discount),
            float(config.min_value_range),
            float(gumbel.c_visit),
            float(gumbel.c_scale),
            root_scores + gumbels,
            self.schedule(tree.action_masks),
            np.zeros(root_scores.shape[1]),
        )

    def schedule(self, action_masks: Bool[np.ndarray, "env action"]) -> Int64[np.ndarray, "env simulation"]:
        """Return how often an action was visited that is considered in each simulation."""
        num_considered = np.minimum(action_masks.sum(axis=1), self._config.gumbel.num_considered_actions)
        table = considered_visits(int(num_considered.max()), self._config.num_simulations)
        visits: Int64[np.ndarray, "env simulation"] = table[num_considered - 1]
        return visits

    def decide(
        self,
        tree: Tree,
        numbers: Gumbel,
        visit_counts: Int64[np.ndarray, "env action"],
        *,
        rng: np.random.Generator | None,
        temperature: float | None,
    ) -> Decision:
        """Play what survived the halving, whatever the temperature; learn the improved policy."""
        del rng, temperature
        chosen = np.zeros(len(visit_counts), np.int64)
        policy = np.zeros(visit_counts.shape)
        conclude(tree, numbers, visit_counts.max(axis=1), chosen, policy)
        return Decision(chosen, policy)


@cache
def considered_visits(most_considered: int, num_simulations: int) -> Int64[np.ndarray, "considered simulation"]:
    """Return how often an action was visited that is considered in each simulation; row `m - 1` is for `m` actions.

    Sequential halving (Karnin et al. 2013, algorithm 2 of the paper): the simulations are divided evenly among the
    phases, of which each visits half as many actions as the one before, all of them equally often, down to two. Those
    that are in the phase are known by their visits: whatever was halved away has fewer. So it is enough to know, for
    each simulation, how many visits the action must have had; of those who have had them, the best is visited next.
    """
    return np.array([_halve(number, num_simulations) for number in range(1, most_considered + 1)])


def _halve(num_considered: int, num_simulations: int) -> list[int]:
    if num_considered == 1:
        return list(range(num_simulations))
    num_phases, visits = ceil(log2(num_considered)), 0
    schedule: list[int] = []
    while len(schedule) < num_simulations:
        for _ in range(max(1, num_simulations // (num_phases * num_considered))):
            schedule += [visits] * num_considered
            visits += 1
        num_considered = max(2, num_considered // 2)
    return schedule[:num_simulations]
