"""The exactness suite notices: each part of the cache is broken on purpose, and a short life must then fail."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.equivalence.scenario import Engine, Life
from tests.equivalence.test_exactness import SHAPES

from kvzero.agent import Planner
from kvzero.agent.history import History
from kvzero.cache import ContextLayout, TreeStore, Window
from kvzero.cache.ledger import RootLedger
from kvzero.cache.tree import store as tree_module
from kvzero.engines import expander as expander_module
from kvzero.model import transformer as transformer_module
from kvzero.model.transformer import Transformer
from kvzero.search import RuleKind


def live(steps: int = 32, *, shape: str = "vector", engine: Engine = "eager", rule: RuleKind = "puct") -> None:
    """Live with ragged histories, short episodes and weight updates, checking as the suite does."""
    life = Life(replace(SHAPES[shape], episode_steps=19, rule=rule), seed=7, engine=engine)
    for step in range(steps):
        if step % 8 == 4:
            life.update_weights()
        envs = life.some_envs()
        life.observe(envs)
        outcome = life.plan(envs)
        if step < 3 or step % 4 == 0:
            life.check(envs, outcome)


def attend_one_token_too_far(patch: pytest.MonkeyPatch) -> None:
    def wide(num_tokens: int, context_tokens: int, *, device: torch.device) -> torch.Tensor:
        distance = torch.arange(num_tokens)[:, None] - torch.arange(num_tokens)[None, :]
        return (distance >= 0) & (distance < context_tokens + 1)

    patch.setattr(transformer_module, "band_mask", wide)


def attend_to_padding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Transformer, "_window_mask", lambda *_: None)


def forget_the_validity_of_slots(patch: pytest.MonkeyPatch) -> None:
    read = tree_module._TreeContexts.read
    patch.setattr(
        tree_module._TreeContexts, "read", lambda self, parents: Window(read(self, parents).keys_values, None)
    )


def number_tokens_two_off_in_search(patch: pytest.MonkeyPatch) -> None:
    make = expander_module.CachedExpander.__init__

    def shifted(self: object, network: object, contexts: object, positions: np.ndarray, *rest: object) -> None:
        make(self, network, contexts, positions + 2, *rest)

    patch.setattr(expander_module.CachedExpander, "__init__", shifted)


def never_notice_stale_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RootLedger, "is_stale", lambda self, envs, version: np.zeros(len(envs), bool))


def leave_a_node_out_of_its_own_row(patch: pytest.MonkeyPatch) -> None:
    write = tree_module._TreeContexts.write

    def broken(self: tree_module._TreeContexts, node: int, **rest: object) -> None:
        write(self, node, **rest)
        self._store._table[self._rows.table + node, -2:] = -1
        self._is_ragged = True

    patch.setattr(tree_module._TreeContexts, "write", broken)


def shift_a_row_by_one_token_only(patch: pytest.MonkeyPatch) -> None:
    write = tree_module._TreeContexts.write

    def broken(self: tree_module._TreeContexts, node: int, **rest: object) -> None:
        parent_rows = self._slots[:, 1:-3].clone()
        write(self, node, **rest)
        rows = self._rows.table + node
        self._store._table[rows, :-2] = parent_rows

    patch.setattr(tree_module._TreeContexts, "write", broken)


def read_the_parents_of_other_environments(patch: pytest.MonkeyPatch) -> None:
    read = tree_module._TreeContexts.read
    patch.setattr(tree_module._TreeContexts, "read", lambda self, parents: read(self, parents[::-1].copy()))


def rebuild_from_one_window_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ContextLayout, "history_steps", property(lambda self: self.context_tokens // 2))


def keep_history_over_episode_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(History, "reset", lambda *_: None)


def look_at_weights_only(patch: pytest.MonkeyPatch) -> None:
    """Let planners not see that a root is of another length than the history, by which they would mend it."""
    patch.setattr(Planner, "_is_behind", lambda self, envs: self.store.is_stale(envs, self._network.version))


def keep_roots_over_episode_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TreeStore, "reset", lambda *_: None)
    look_at_weights_only(patch)


MUTATIONS: list[Callable[[pytest.MonkeyPatch], None]] = [
    attend_one_token_too_far,
    attend_to_padding,
    forget_the_validity_of_slots,
    number_tokens_two_off_in_search,
    never_notice_stale_keys,
    leave_a_node_out_of_its_own_row,
    shift_a_row_by_one_token_only,
    read_the_parents_of_other_environments,
    rebuild_from_one_window_only,
    keep_history_over_episode_ends,
    keep_roots_over_episode_ends,
]


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_the_life_is_exact_while_nothing_is_broken(rule: RuleKind) -> None:
    live(rule=rule)


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_the_suite_fails_when_the_cache_is_broken(
    mutation: Callable[..., None], rule: RuleKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError, match=r"largest difference|not finite"):
        live(rule=rule)
