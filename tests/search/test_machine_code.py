"""A search that asks machine code grows the tree that it grows by asking Python."""

import ctypes
from collections.abc import Callable

import numpy as np
import pytest
from tests.search.models import PathModel, flat_roots, hashed_answers

from kvzero.errors import SearchError
from kvzero.search import CompiledExpander, Evaluation, Expander, Leaves, MachineCode, SearchConfig, search

STATE = 1234567
FUNCTION = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4, *[ctypes.c_void_p] * 6)


class CompiledPathModel(PathModel):
    """A path model behind a C function, which is as good as machine code for who calls its address."""

    def __init__(self, num_actions: int, num_envs: int) -> None:
        super().__init__([hashed_answers(3, env, num_actions) for env in range(num_envs)])
        self._num_actions = num_actions
        self._function = FUNCTION(self._answer)
        self.spoil: Callable[[Evaluation], None] = lambda _: None

    @property
    def machine_code(self) -> MachineCode:
        return MachineCode(int(ctypes.cast(self._function, ctypes.c_void_p).value or 0), STATE)

    def _answer(self, state: int, num_envs: int, num_nodes: int, node: int, *addresses: int) -> None:
        assert state == STATE
        columns = [look(place, ctypes.c_int64, num_envs, num_nodes)[:, node].copy() for place in addresses[:3]]
        answer = super().expand(Leaves(node, *columns))
        self.spoil(answer)
        look(addresses[3], ctypes.c_float, num_envs)[:] = answer.rewards
        look(addresses[4], ctypes.c_float, num_envs)[:] = answer.values
        look(addresses[5], ctypes.c_float, num_envs, self._num_actions)[:] = answer.logits

    def expand(self, leaves: Leaves) -> Evaluation:
        raise AssertionError("a compiled expander was asked from Python")


def look(address: int, kind: type, *shape: int) -> np.ndarray:
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(kind)), shape)


@pytest.mark.parametrize("is_exploring", [False, True])
def test_machine_code_is_asked_the_same_and_heard_the_same(is_exploring: bool) -> None:
    num_envs, num_actions = 3, 4
    config = SearchConfig(num_simulations=13)
    compiled = CompiledPathModel(num_actions, num_envs)
    plain = PathModel(compiled.asks)
    outcomes = [
        search(
            flat_roots(num_envs, num_actions),
            expander,
            config,
            rng=np.random.default_rng(5) if is_exploring else None,
        )
        for expander in (compiled, plain)
    ]
    assert compiled.paths == plain.paths
    for ours, theirs in zip(outcomes[0].tree, outcomes[1].tree, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_number_that_is_not_finite_is_named_as_ever() -> None:
    compiled = CompiledPathModel(2, 3)

    def spoil(answer: Evaluation) -> None:
        if len(compiled.asked) == 4:
            answer.values[1] = np.nan

    compiled.spoil = spoil
    with pytest.raises(SearchError, match=r"node 4 of environment 1 is not finite: reward .*, value nan"):
        search(flat_roots(3, 2), compiled, SearchConfig(num_simulations=9), rng=None)
    assert len(compiled.asked) == 4


def test_only_what_has_machine_code_is_a_compiled_expander() -> None:
    compiled = CompiledPathModel(2, 3)
    assert isinstance(compiled, CompiledExpander)
    assert isinstance(PathModel(compiled.asks), Expander)
    assert not isinstance(PathModel(compiled.asks), CompiledExpander)
