"""How the arrays that a search left become the record of one environment's search."""

import numpy as np
from jaxtyping import Float64

from kvzero.agent.search_record import SearchRecord
from kvzero.cache import ContextStore
from kvzero.engines import EngineKind, StoreKind
from kvzero.search import Outcome, SearchConfig, Tree

__all__ = ["make_record"]


def make_record(
    outcome: Outcome,
    row: int,
    *,
    env: int,
    store: ContextStore,
    search: SearchConfig,
    engine: EngineKind,
    store_kind: StoreKind,
) -> SearchRecord:
    """Return what a search found in row `row` of its trees, below the root of `env`; everything is copied."""
    tree, sets = outcome.tree, outcome.action_sets
    table = store.block_table(env)
    return SearchRecord(
        engine=engine,
        store=store_kind,
        rule=search.rule,
        discount=search.discount,
        num_tokens=int(store.lengths(np.array([env]))[0]),
        chosen=int(outcome.chosen[row]),
        legal=tree.action_masks[row].copy(),
        policy=outcome.policy[row].copy(),
        visit_counts=outcome.visit_counts[row].copy(),
        action_values=outcome.action_values[row].copy(),
        parents=tree.parents[row].copy(),
        actions=tree.actions[row].copy(),
        depths=tree.depths[row].copy(),
        visits=tree.visit_counts[row].copy(),
        rewards=tree.rewards[row].copy(),
        values=tree.value_sums[row] / tree.visit_counts[row],
        predicted_values=_predicted_values(tree, row, search.discount),
        priors=tree.priors[row].copy(),
        action_vectors=None if sets is None else sets[row].copy(),
        block_table=None if table is None else table.slots,
        num_slots=0 if table is None else table.num_slots,
        tokens_per_node=0 if table is None else table.tokens_per_node,
        cache_figures=store.figures(),
    )


def _predicted_values(tree: Tree, row: int, discount: float) -> Float64[np.ndarray, " node"]:
    """Return what remains of the returns through each node without those that came from below: its own prediction."""
    sums, visits = tree.value_sums[row], tree.visit_counts[row]
    remaining: Float64[np.ndarray, " node"] = sums.copy()
    np.subtract.at(remaining, tree.parents[row, 1:], (visits * tree.rewards[row] + discount * sums)[1:])
    return remaining
