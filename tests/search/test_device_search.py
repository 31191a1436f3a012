"""The search on tensors grows the trees of the compiled search, node by node; it runs here on the CPU."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.models import Ask, PathModel, bandit, flat_roots, hashed_answers
from tests.search.test_twin import Case, cases
from tests.search.twin import Answer, Path
from torch.utils._python_dispatch import TorchDispatchMode

from kvzero.errors import SearchError
from kvzero.search import (
    DeviceEvaluation,
    DeviceLeaves,
    DeviceSearch,
    GumbelConfig,
    Leaves,
    Outcome,
    PuctConfig,
    Roots,
    RuleKind,
    SearchConfig,
    search,
)
from kvzero.search.device_rules import TensorHalf, make_tensor_half
from kvzero.search.device_search import TreeOperations
from kvzero.search.device_tree import Workspace

Steps = Callable[[Workspace, RuleKind, TensorHalf], TreeOperations]

CPU = torch.device("cpu")
EXACT = ("parents", "actions", "depths", "visit_counts", "children", "tie_keys", "action_masks")


class TensorModel:
    """A fake of a network on a device: the path model of the other tests, asked and answering in tensors."""

    def __init__(self, asks: list[Ask]) -> None:
        self.model = PathModel(asks)

    def expand(self, leaves: DeviceLeaves) -> DeviceEvaluation:
        parents, actions, depths = (tensor.numpy() for tensor in (leaves.parents, leaves.actions, leaves.depths))
        found = self.model.expand(Leaves(leaves.node, parents, actions, depths))
        return DeviceEvaluation(*(torch.from_numpy(array) for array in (found.rewards, found.values, found.logits)))


def device_search(
    roots: Roots,
    asks: list[Ask],
    config: SearchConfig,
    rng: np.random.Generator | None,
    *,
    spare: int = 0,
    steps: Steps | None = None,
) -> Outcome:
    """Search on tensors, with as many rows to spare as asked for."""
    num_envs, num_actions = roots.logits.shape
    searching = DeviceSearch(num_envs + spare, num_actions, config, device=CPU)
    if steps is not None:
        rule = make_tensor_half(config.rule, searching._work)
        searching._operations = steps(searching._work, config.rule, rule)
    load(searching, roots, rng, spare=spare)
    searching.run(TensorModel(asks + [hashed_answers(99, env, num_actions) for env in range(spare)]))
    return searching.read(num_envs)


def load(searching: DeviceSearch, roots: Roots, rng: np.random.Generator | None, *, spare: int = 0) -> None:
    logits = np.pad(roots.logits, ((0, spare), (0, 0)), constant_values=0.3)
    values = np.pad(roots.values, (0, spare), constant_values=-5.0)
    searching.load(torch.from_numpy(logits), torch.from_numpy(values), roots.action_masks, rng=rng)


def assert_same_outcome(found: Outcome, wanted: Outcome) -> None:
    for name, field in wanted.tree._asdict().items():
        other = getattr(found.tree, name)
        assert other.dtype == field.dtype
        if name in EXACT:
            np.testing.assert_array_equal(other, field, err_msg=name)
        else:
            np.testing.assert_allclose(other, field, rtol=1e-12, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(found.visit_counts, wanted.visit_counts)
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.action_values, wanted.action_values, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found.chosen, wanted.chosen)
    np.testing.assert_allclose(found.policy, wanted.policy, rtol=1e-9, atol=1e-12)


gumbels = st.builds(
    GumbelConfig,
    num_considered_actions=st.sampled_from([1, 2, 3, 5, 16, 10_000]),
    c_visit=st.sampled_from([0.0, 50.0]),
    # No sum of logits of a grain and of values so scaled is a tie but for rounding, which need not fall alike.
    c_scale=st.sampled_from([0.013, 0.11, 0.97]),
)


@st.composite
def cases_of_all_rules(draw: st.DrawFn) -> Case:
    case = draw(cases())
    if draw(st.booleans()):
        return case
    config = replace(case.config, rule="gumbel", puct=PuctConfig(), gumbel=draw(gumbels))
    return replace(case, config=config)


@settings(max_examples=300)
@given(cases_of_all_rules())
def test_every_node_of_every_tree_is_that_of_the_compiled_search(case: Case) -> None:
    wanted = search(case.roots(), PathModel(case.asks()), case.config, rng=case.rng())
    assert_same_outcome(device_search(case.roots(), case.asks(), case.config, case.rng()), wanted)


@settings(max_examples=50)
@given(cases_of_all_rules())
def test_rows_to_spare_change_nothing(case: Case) -> None:
    wanted = search(case.roots(), PathModel(case.asks()), case.config, rng=case.rng())
    assert_same_outcome(device_search(case.roots(), case.asks(), case.config, case.rng(), spare=3), wanted)


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_hundreds_of_simulations_give_the_same_trees(rule: RuleKind) -> None:
    config = SearchConfig(num_simulations=300, rule=rule)
    asks = [hashed_answers(5, env, 4, grain=0.5) for env in range(3)]
    wanted = search(flat_roots(3, 4), PathModel(asks), config, rng=np.random.default_rng(1))
    assert_same_outcome(device_search(flat_roots(3, 4), asks, config, np.random.default_rng(1)), wanted)


@pytest.mark.parametrize("num_simulations", [1, 2, 3, 4, 5, 16, 17, 18, 33])
@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_a_chain_is_descended_to_its_end(num_simulations: int, rule: RuleKind) -> None:
    config = SearchConfig(num_simulations=num_simulations, discount=0.5, rule=rule)
    asks = [lambda path: (float(len(path)), 1.0, [0.0])] * 2
    found = device_search(flat_roots(2, 1), asks, config, None)
    assert found.tree.depths.tolist() == [list(range(num_simulations + 1))] * 2
    assert_same_outcome(found, search(flat_roots(2, 1), PathModel(asks), config, rng=None))


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_one_search_after_another_uses_the_same_tensors_and_leaves_outcomes_alone(rule: RuleKind) -> None:
    config = SearchConfig(num_simulations=20, rule=rule)
    searching = DeviceSearch(2, 3, config, device=CPU)
    tensors = [*searching._work.tree, *searching._work.chance, searching._work.evaluations, searching._work.root_scores]
    places = [tensor.data_ptr() for tensor in tensors]
    outcomes, wanted = [], []
    for seed in range(4):
        asks = [hashed_answers(seed, env, 3) for env in range(2)]
        rng = None if seed % 2 else np.random.default_rng(seed)
        load(searching, flat_roots(2, 3, value=seed), rng)
        searching.run(TensorModel(asks))
        outcomes.append(searching.read(2))
        rng = None if seed % 2 else np.random.default_rng(seed)
        wanted.append(search(flat_roots(2, 3, value=seed), PathModel(asks), config, rng=rng))
    for found, other in zip(outcomes, wanted, strict=True):
        assert_same_outcome(found, other)
    assert [tensor.data_ptr() for tensor in tensors] == places


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_another_discount_needs_no_other_tensors(rule: RuleKind) -> None:
    config = SearchConfig(num_simulations=20, discount=0.4, rule=rule)
    asks = [hashed_answers(7, env, 3) for env in range(2)]
    searching = DeviceSearch(2, 3, config, device=CPU)
    places = [tensor.data_ptr() for tensor in (*searching._work.tree, *searching._work.chance)]
    load(searching, flat_roots(2, 3), None)
    searching.run(TensorModel(asks))
    assert_same_outcome(searching.read(2), search(flat_roots(2, 3), PathModel(asks), config, rng=None))
    searching.set_discount(0.95)
    load(searching, flat_roots(2, 3), None)
    searching.run(TensorModel(asks))
    wanted = search(flat_roots(2, 3), PathModel(asks), replace(config, discount=0.95), rng=None)
    assert_same_outcome(searching.read(2), wanted)
    assert [tensor.data_ptr() for tensor in (*searching._work.tree, *searching._work.chance)] == places


@pytest.mark.parametrize("considered", [1, 3, 5, 16])
@pytest.mark.parametrize("is_collecting", [False, True])
def test_gumbel_halves_whatever_is_legal(considered: int, is_collecting: bool) -> None:
    """One legal action, fewer than are considered, and all equally likely, with and without chance."""
    config = SearchConfig(num_simulations=11, rule="gumbel", gumbel=GumbelConfig(num_considered_actions=considered))
    roots, asks = flat_roots(3, 5), [hashed_answers(2, env, 5, grain=100.0) for env in range(3)]
    roots.action_masks[:] = [[False, False, True, False, False], [True, False, True, True, False], [True] * 5]
    rngs = [np.random.default_rng(8) if is_collecting else None for _ in range(2)]
    wanted = search(roots, PathModel(asks), config, rng=rngs[0])
    found = device_search(roots, asks, config, rngs[1], spare=2)
    assert_same_outcome(found, wanted)
    assert not found.visit_counts[~roots.action_masks].any()
    assert (found.visit_counts > 0).sum(axis=1).max() <= considered


def test_gumbel_considers_a_legal_action_of_no_prior_before_an_illegal_one() -> None:
    config = SearchConfig(num_simulations=6, rule="gumbel")
    roots, asks = flat_roots(1, 3), [hashed_answers(2, 0, 3)]
    roots.logits[0], roots.action_masks[0, 0] = [0.0, -3e38, 0.0], False
    wanted = search(roots, PathModel(asks), config, rng=None)
    assert_same_outcome(device_search(roots, asks, config, None), wanted)
    assert wanted.visit_counts[0, 1] > 0


def test_gumbel_gives_nothing_to_an_action_of_no_prior_however_good_it_seems() -> None:
    """Values that are scaled so much leave no number for what the policy excludes."""
    config = SearchConfig(num_simulations=8, rule="gumbel", gumbel=GumbelConfig(c_scale=50.0))

    def ask(path: Path) -> Answer:
        return 0.0, 1.0 - len(path), [-3e38, 0.0, -3e38]  # the deeper, the worse: what was not tried seems better

    roots = flat_roots(1, 3)
    wanted = search(roots, PathModel([ask]), config, rng=None)
    assert (wanted.tree.visit_counts[0] > 1).sum() > 2
    assert_same_outcome(device_search(roots, [ask], config, None), wanted)
    is_inner = wanted.tree.parents[0] > 0
    assert (wanted.tree.actions[0, is_inner] == 1).all()


def broken_at(path: Path, answer: Answer) -> Ask:
    def ask(asked: Path) -> Answer:
        return answer if asked == path else (0.0, 0.0, [0.0, 0.0])

    return ask


@pytest.mark.parametrize(
    "answer",
    [
        (np.inf, 0.0, [0.0, 0.0]),
        (0.0, np.nan, [0.0, 0.0]),
        (0.0, 0.5, [0.0, -np.inf]),
        (0.25, 0.5, [np.nan, 0.0]),
    ],
)
def test_an_evaluation_that_is_not_finite_is_refused_as_the_compiled_search_refuses_it(answer: Answer) -> None:
    config = SearchConfig(num_simulations=9)
    healthy = hashed_answers(3, 0, 2)
    asks = [healthy, broken_at((1, 1), answer), broken_at((1,), answer), broken_at((1,), answer)]
    with pytest.raises(SearchError, match="of node 2 of environment 2 is not finite") as wanted:
        search(flat_roots(4, 2), PathModel(asks), config, rng=None)
    with pytest.raises(SearchError, match="of node 2 of environment 2 is not finite") as found:
        device_search(flat_roots(4, 2), asks, config, None)
    numbers = ("reward", "value", "logits")
    assert [word in str(found.value) for word in numbers] == [word in str(wanted.value) for word in numbers]


def test_a_root_that_is_not_finite_is_refused() -> None:
    for field in ("logits", "values"):
        roots = flat_roots(3, 2)
        getattr(roots, field)[1] = np.nan
        with pytest.raises(SearchError, match="of root 1 are not all finite"):
            device_search(roots, [hashed_answers(0, env, 2) for env in range(3)], SearchConfig(num_simulations=3), None)


def test_what_is_not_finite_in_a_row_to_spare_is_nobodys_concern() -> None:
    config = SearchConfig(num_simulations=3)
    searching = DeviceSearch(2, 2, config, device=CPU)
    searching.load(torch.zeros(2, 2), torch.tensor([0.0, np.nan]), np.ones((1, 2), bool), rng=None)
    searching.run(TensorModel([hashed_answers(0, 0, 2), broken_at((0,), (np.nan, 0.0, [0.0, 0.0]))]))
    assert searching.read(1).visit_counts.sum() == 3


def test_roots_without_a_legal_action_and_too_many_roots_are_refused() -> None:
    searching = DeviceSearch(2, 3, SearchConfig(num_simulations=2), device=CPU)
    logits, values = torch.zeros(2, 3), torch.zeros(2)
    for masks, words in (
        (np.array([[True, True, True], [False, False, False]]), "environment 1 has no legal action"),
        (np.ones((3, 3), bool), "3 roots are asked for; this search has room for 1 to 2"),
        (np.ones((0, 3), bool), "0 roots are asked for"),
    ):
        with pytest.raises(SearchError, match=words):
            searching.load(logits, values, masks, rng=None)


class Listen(TorchDispatchMode):
    """Writes down which operations run on tensors of which shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple] = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        shapes = [tuple(value.shape) for value in arguments if isinstance(value, torch.Tensor)]
        self.heard.append(
            (function.overloadpacket.__name__, shapes, [v for v in arguments if isinstance(v, (int, float))])
        )
        return function(*arguments, **(keywords or {}))


class Constant:
    """A model that says what it was made with, whatever it is asked."""

    def __init__(self, predictions: torch.Tensor) -> None:
        self.answer = DeviceEvaluation(predictions[:, 0], predictions[:, 1], predictions[:, 2:])

    def expand(self, leaves: DeviceLeaves) -> DeviceEvaluation:
        return self.answer


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_what_runs_depends_on_no_number_and_nothing_is_copied_from_or_to_the_host(rule: RuleKind) -> None:
    """Else a recording would be wrong, or could not be made. What copies: reading one number, and making a tensor."""
    heard = []
    for seed in range(3):
        searching = DeviceSearch(3, 4, SearchConfig(num_simulations=12, rule=rule), device=CPU)
        generator = torch.Generator().manual_seed(seed)
        load(searching, flat_roots(3, 4, value=seed), None if seed else np.random.default_rng(seed))
        model = Constant(torch.randn(3, 6, generator=generator))
        with Listen() as listen:
            searching.run(model)
        heard.append(listen.heard)
    assert heard[0] == heard[1] == heard[2]
    names = {name for name, _, _ in heard[0]}
    assert {"gather", "scatter_add_", "cat"} <= names
    assert not names & {"_local_scalar_dense", "lift_fresh", "nonzero", "equal", "masked_select", "scalar_tensor"}


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_a_bandits_best_arm_is_found(rule: RuleKind) -> None:
    rewards, config = [0.1, 1.0, 0.0, 0.3], SearchConfig(num_simulations=100, rule=rule)
    outcome = device_search(flat_roots(2, 4), bandit(rewards, 2).asks, config, None)
    assert (outcome.visit_counts.argmax(axis=1) == 1).all()
