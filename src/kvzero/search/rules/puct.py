"""PUCT, the rule of MuZero: prior and value weighed by visits, noise at the root, a policy of visit counts."""

from math import inf, log, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from kvzero.errors import SearchError
from kvzero.search.compiled import compiled
from kvzero.search.config import SearchConfig
from kvzero.search.noise import add_noise, draw_tie_keys
from kvzero.search.policies import greedy_actions, sample_actions, visit_policy
from kvzero.search.rules.rule import Decision
from kvzero.search.tree import UNVISITED, Tree, build_kernels, edge_value, scaled_value

__all__ = ["PuctRule"]


class Puct(NamedTuple):
    """The numbers of `select_action`, all floats: another type would cost another compilation."""

    discount: float
    min_value_range: float
    pb_c_init: float
    pb_c_base: float


@compiled
def select_action(tree: Tree, numbers: Puct, env: int, node: int) -> int:
    """Return the action with the highest score (PUCT, Schrittwieser et al. 2020, equation 2).

        scaled Q(a) + P(a) * sqrt(N) / (1 + N(a)) * (c1 + log((N + c2 + 1) / c2))

    `N` counts the visits of the node itself, whose own evaluation is the first. It is thus one more than the sum over
    the children, and the prior already decides the first descent; mctx does the same. `Q` is scaled to the bounds of
    the tree, and an action not tried yet has that of the node itself.
    """
    num_visits = tree.visit_counts[env, node]
    mean_value = tree.value_sums[env, node] / num_visits
    low, high = tree.bounds[env]
    weight = sqrt(num_visits) * (numbers.pb_c_init + log((num_visits + numbers.pb_c_base + 1.0) / numbers.pb_c_base))
    best, best_score = -1, -inf
    for action in range(tree.priors.shape[2]):
        if node == 0 and not tree.action_masks[env, action]:
            continue
        child = tree.children[env, node, action]
        value, child_visits = mean_value, 0
        if child != UNVISITED:
            value, child_visits = edge_value(tree, numbers.discount, env, child), tree.visit_counts[env, child]
        score = scaled_value(value, low, high, numbers.min_value_range)
        score += tree.priors[env, node, action] * weight / (1.0 + child_visits)
        is_tie_won = score == best_score and (tree.tie_keys[env, node, action] > tree.tie_keys[env, node, best])
        if best < 0 or score > best_score or is_tie_won:
            best, best_score = action, score
    return best


class PuctRule:
    """Schrittwieser et al. 2020, appendix B: visits are the policy, to learn from and to draw actions of."""

    kernels = build_kernels(select_action)

    def __init__(self, config: SearchConfig) -> None:
        puct = config.puct
        self._puct = puct
        self.numbers = Puct(  # the same for every search
            float(config.discount), float(config.min_value_range), float(puct.pb_c_init), float(puct.pb_c_base)
        )

    def begin(self, tree: Tree, rng: np.random.Generator | None) -> Puct:
        """With `rng`, leave ties to chance and mix Dirichlet noise into the root priors."""
        if rng is not None:
            tree.tie_keys[:] = draw_tie_keys(tree.tie_keys.shape, rng)
            add_noise(
                tree.priors[:, 0],
                tree.action_masks,
                alpha=self._puct.dirichlet_alpha,
                weight=self._puct.noise_weight,
                rng=rng,
            )
        return self.numbers

    def decide(
        self,
        tree: Tree,
        numbers: Puct,
        visit_counts: Int64[np.ndarray, "env action"],
        *,
        rng: np.random.Generator | None,
        temperature: float | None,
    ) -> Decision:
        """Play the most visited action, or one drawn from visits to the power of 1 / temperature; learn the visits."""
        del tree, numbers
        policy = visit_policy(visit_counts, 1.0)
        if temperature is None:
            return Decision(greedy_actions(visit_counts), policy)
        if rng is None:
            raise SearchError(f"temperature is {temperature}, but there is no rng to draw actions with; give both")
        return Decision(sample_actions(visit_policy(visit_counts, temperature), rng), policy)
