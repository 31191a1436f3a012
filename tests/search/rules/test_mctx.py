"""Both rules find what mctx finds, on the same model and with the same Gumbel numbers."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.rules.table_model import TableModel, Tables

from kvzero.search import GumbelConfig, PuctConfig, SearchConfig, Tree, search
from kvzero.search import compiled as compiled_module
from kvzero.search import rules as rules_room
from kvzero.search import tree as tree_module
from kvzero.search.rules import gumbel as gumbel_module

NUM_ENVS = 3

seeds = st.integers(0, 2**31 - 1)
discounts = st.sampled_from([0.0, 0.5, 0.997, 1.0])
ranges = st.sampled_from([1e-8, 0.01, 3.0])


class GivenGumbels(np.random.Generator):
    """Draws Gumbel numbers that are known before."""

    def __init__(self, gumbels: np.ndarray) -> None:
        super().__init__(np.random.PCG64(0))
        self._gumbels = gumbels

    def gumbel(self, loc: float = 0.0, scale: float = 1.0, size: object = None) -> np.ndarray:
        assert size == self._gumbels.shape
        return self._gumbels


@pytest.fixture(scope="module")
def peer() -> ModuleType:
    pytest.importorskip("mctx")
    return importlib.import_module("tests.search.rules.mctx_searches")


@st.composite
def legal(draw: st.DrawFn, num_actions: int) -> np.ndarray:
    row = st.lists(st.booleans(), min_size=num_actions, max_size=num_actions).filter(any)
    return np.array(draw(st.lists(row, min_size=NUM_ENVS, max_size=NUM_ENVS)))


@pytest.mark.parametrize(
    ("num_actions", "num_simulations", "num_considered"),
    [(1, 6, 16), (2, 1, 16), (4, 5, 1), (5, 25, 3), (7, 16, 16), (9, 40, 5), (18, 50, 16)],
)
def test_gumbel_plays_learns_and_visits_what_mctx_does(
    num_actions: int, num_simulations: int, num_considered: int, peer: ModuleType
) -> None:
    @settings(max_examples=20)
    @given(
        seeds, legal(num_actions), discounts, ranges, st.sampled_from([0.0, 50.0]), st.sampled_from([0.01, 0.1, 1.0]),
        st.sampled_from([0.1, 1.0, 30.0]), st.booleans(),
    )  # fmt: skip
    def check(
        seed: int,
        masks: np.ndarray,
        discount: float,
        value_range: float,
        c_visit: float,
        c_scale: float,
        logit_scale: float,
        is_exploring: bool,
    ) -> None:
        config = SearchConfig(
            num_simulations=num_simulations,
            discount=discount,
            min_value_range=value_range,
            rule="gumbel",
            gumbel=GumbelConfig(num_considered_actions=num_considered, c_visit=c_visit, c_scale=c_scale),
        )
        compare(peer, Tables.draw(seed, num_actions, logit_scale=logit_scale), masks, config, seed, is_exploring)

    check()


def compare(
    peer: ModuleType, tables: Tables, masks: np.ndarray, config: SearchConfig, seed: int, is_exploring: bool
) -> None:
    """Search with both libraries, and hold all that comes out against each other."""
    wanted = peer.search_by_gumbel(tables, masks, config, seed=seed, scale=float(is_exploring))
    rng = GivenGumbels(wanted.gumbels) if is_exploring else None
    found = search(tables.roots(masks), TableModel(tables, NUM_ENVS, config.num_simulations), config, rng=rng)
    np.testing.assert_array_equal(found.visit_counts, wanted.visit_counts)
    np.testing.assert_array_equal(found.chosen, wanted.actions)
    np.testing.assert_allclose(found.policy, wanted.policy, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-9, atol=1e-9)


EDITS = {
    "halve_too_slowly": ("max(2, num_considered // 2)", "max(2, num_considered - 1)"),
    "give_all_simulations_to_the_first_phase": ("num_simulations // (num_phases * num_considered)", "num_simulations"),
    "consider_the_most_probable": ("root_scores + gumbels,", "root_scores,"),
    "complete_with_the_prediction": ("    if most_visits > 0:", "    if most_visits > 999:"),
    "weigh_values_evenly": ("total_value + prior * value", "total_value + value / 5"),
    "forget_the_visits_in_sigma": ("(numbers.c_visit + most_visits)", "numbers.c_visit"),
    "scale_without_what_was_not_tried": ("    if is_open:", "    if is_open and most_visits == 0:"),
    "forget_the_visits_inside": ("* num_visits - total * visits", "* num_visits"),
    "learn_the_prior": ("policy[env] = numbers.notes / total", "policy[env] = tree.priors[env, 0]"),
    "play_what_was_visited_least": ("numbers, env, most_visits[env])", "numbers, env, 1)"),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_comparison_fails_when_the_rule_is_broken(
    name: str, peer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_module, "compiled", lambda kernel: kernel)
    monkeypatch.setattr(tree_module, "build_kernels", plain_kernels)
    monkeypatch.setitem(rules_room.RULES, "gumbel", load_edited(tmp_path / "edited_gumbel.py", *EDITS[name]).GumbelRule)
    with pytest.raises(AssertionError, match="ot equal"):
        compare_often(peer)


def test_the_comparison_holds_where_nothing_is_broken(peer: ModuleType) -> None:
    compare_often(peer)


def compare_often(peer: ModuleType) -> None:
    gumbel = GumbelConfig(num_considered_actions=5, c_scale=0.02)
    config = SearchConfig(num_simulations=16, rule="gumbel", gumbel=gumbel)
    masks = np.random.default_rng(0).random((NUM_ENVS, 7)) < 0.8
    for seed in range(12):
        compare(peer, Tables.draw(seed, 7), masks, config, seed, is_exploring=True)


def plain_kernels(best_action: Callable[[Tree, Any, int, int], int]) -> tree_module.Kernels:
    """Return a descent in Python: to compile each edited rule would take many times as long."""

    def select(tree: Tree, numbers: object, node: int) -> None:
        for env in range(len(tree.parents)):
            parent, action = -1, -1
            child = 0
            while child >= 0:
                parent, action = child, best_action(tree, numbers, env, child)
                child = tree.children[env, parent, action]
            tree.children[env, parent, action] = node
            tree.parents[env, node], tree.actions[env, node] = parent, action
            tree.depths[env, node] = tree.depths[env, parent] + 1

    return tree_module.Kernels(select, select)


def load_edited(path: Path, old: str, new: str) -> ModuleType:
    """Return the module of the rule with one of its lines changed."""
    text = Path(gumbel_module.__file__).read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("num_actions", "num_simulations"), [(1, 6), (6, 25)])
def test_puct_visits_what_mctx_visits(num_actions: int, num_simulations: int, peer: ModuleType) -> None:
    @settings(max_examples=20)
    @given(seeds, legal(num_actions), discounts, ranges, st.sampled_from([0.1, 1.25]), st.sampled_from([5.0, 19652.0]))
    def check(
        seed: int, masks: np.ndarray, discount: float, value_range: float, pb_c_init: float, pb_c_base: float
    ) -> None:
        config = SearchConfig(
            num_simulations=num_simulations,
            discount=discount,
            min_value_range=value_range,
            puct=PuctConfig(pb_c_init=pb_c_init, pb_c_base=pb_c_base),
        )
        tables = Tables.draw(seed, num_actions)
        wanted = peer.search_by_puct(tables, masks, config)
        found = search(tables.roots(masks), TableModel(tables, NUM_ENVS, num_simulations), config, rng=None)
        np.testing.assert_array_equal(found.visit_counts, wanted.visit_counts)
        np.testing.assert_allclose(found.values, wanted.values, rtol=1e-9, atol=1e-9)

    check()
