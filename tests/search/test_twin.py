"""The search equals a slow, obvious twin on random models, node by node."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.models import PathModel, hashed_answers
from tests.search.twin import Twin, twin_search

from kvzero.search import Outcome, PuctConfig, Roots, SearchConfig, search

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


@dataclass(frozen=True)
class Case:
    """One random search: as many environments as there are rows of masks."""

    config: SearchConfig
    masks: list[list[bool]]
    grain: float | None
    seed: int
    is_collecting: bool

    def asks(self) -> list:
        num_actions = len(self.masks[0])
        return [hashed_answers(self.seed, env, num_actions, grain=self.grain) for env in range(len(self.masks))]

    def roots(self) -> Roots:
        answers = [ask(()) for ask in self.asks()]
        _, values, logits = zip(*answers, strict=True)
        return Roots(np.float32(logits), np.float32(values), np.array(self.masks))

    def rng(self) -> np.random.Generator | None:
        return np.random.default_rng(self.seed) if self.is_collecting else None


configs = st.builds(
    SearchConfig,
    num_simulations=st.integers(1, 45),
    discount=st.sampled_from([0.0, 0.5, 0.997, 1.0]),
    puct=st.builds(
        PuctConfig,
        pb_c_init=st.sampled_from([0.0, 1.25, 4.0]),
        pb_c_base=st.sampled_from([1.0, 19652.0]),
        dirichlet_alpha=st.sampled_from([0.001, 0.3, 5.0]),
        noise_weight=st.sampled_from([0.0, 0.25, 1.0]),
    ),
    min_value_range=st.sampled_from([1e-6, 0.01, 3.0]),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    num_actions = draw(st.integers(1, 6))
    row = st.lists(st.booleans(), min_size=num_actions, max_size=num_actions).filter(any)
    return Case(
        config=draw(configs),
        masks=draw(st.lists(row, min_size=1, max_size=4)),
        grain=draw(st.sampled_from([None, 0.5, 2.0, 100.0])),
        seed=draw(st.integers(0, 2**32 - 1)),
        is_collecting=draw(st.booleans()),
    )


def assert_same_tree(twin: Twin, outcome: Outcome, env: int) -> None:
    tree, num_actions = outcome.tree, outcome.visit_counts.shape[1]
    for node in twin.nodes:
        at = env, node.index
        assert tree.visit_counts[at] == node.num_visits
        assert tree.depths[at] == len(node.path)
        assert tree.actions[at] == (node.path[-1] if node.path else -1)
        assert tree.rewards[at] == node.reward
        np.testing.assert_allclose(tree.value_sums[at] / tree.visit_counts[at], node.mean, **CLOSE)
        np.testing.assert_allclose(tree.priors[at], [node.priors.get(a, 0.0) for a in range(num_actions)], **CLOSE)
        children = [node.children[a].index if a in node.children else -1 for a in range(num_actions)]
        assert tree.children[at].tolist() == children
        for child in node.children.values():
            assert tree.parents[env, child.index] == node.index
    np.testing.assert_allclose(tree.bounds[env], [min(twin.edge_values), max(twin.edge_values)], **CLOSE)


def assert_same_root(twin: Twin, outcome: Outcome, env: int) -> None:
    root, num_actions = twin.root, outcome.visit_counts.shape[1]
    visits = {action: child.num_visits for action, child in root.children.items()}
    values = {action: twin.edge_value(child) for action, child in root.children.items()}
    assert outcome.visit_counts[env].tolist() == [visits.get(action, 0) for action in range(num_actions)]
    np.testing.assert_allclose(outcome.values[env], root.mean, **CLOSE)
    wanted = [values.get(action, root.mean) for action in range(num_actions)]
    np.testing.assert_allclose(outcome.action_values[env], wanted, **CLOSE)


@settings(max_examples=150)
@given(cases())
def test_every_node_of_every_tree_equals_the_twins(case: Case) -> None:
    model = PathModel(case.asks())
    outcome = search(case.roots(), model, case.config, rng=case.rng())
    for env, twin in enumerate(twin_search(case.roots(), case.asks(), case.config, case.rng())):
        assert [node.path for node in twin.nodes] == model.paths[env]
        assert_same_tree(twin, outcome, env)
        assert_same_root(twin, outcome, env)


@settings(max_examples=60)
@given(cases())
def test_a_search_asks_exactly_as_often_as_configured_and_visits_legal_actions_only(case: Case) -> None:
    model = PathModel(case.asks())
    outcome = search(case.roots(), model, case.config, rng=case.rng())
    assert len(model.asked) == case.config.num_simulations
    assert (outcome.visit_counts.sum(axis=1) == case.config.num_simulations).all()
    assert not outcome.visit_counts[~np.array(case.masks)].any()


@settings(max_examples=60)
@given(cases())
def test_an_environment_is_searched_as_if_it_were_alone(case: Case) -> None:
    roots, asks = case.roots(), case.asks()
    together = search(roots, PathModel(asks), case.config, rng=None)
    for env in range(len(asks)):
        one = slice(env, env + 1)
        root = Roots(roots.logits[one], roots.values[one], roots.action_masks[one])
        alone = search(root, PathModel(asks[one]), case.config, rng=None)
        for found, wanted in zip(alone.tree, together.tree, strict=True):
            np.testing.assert_array_equal(found[0], wanted[env])
        np.testing.assert_array_equal(alone.action_values[0], together.action_values[env])
