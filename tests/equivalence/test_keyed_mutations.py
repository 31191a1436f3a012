"""The exactness suite notices: each part of the keyed stores is broken on purpose, and a short life must then fail."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.equivalence.scenario import Life
from tests.equivalence.test_exactness import SHAPES, STORES
from tests.equivalence.test_mutations import look_at_weights_only

from kvzero.cache import ContextBatch, KeyedStore, KVCachePool
from kvzero.cache.keyed import search as search_module
from kvzero.cache.keyed.keys import PathKeys
from kvzero.cache.keyed.search import KeyedContexts
from kvzero.cache.ledger import RootLedger
from kvzero.cache.pools.slots import SlotTable
from kvzero.engines.stores import ContextRegenerator


def live(store: str, steps: int = 24) -> None:
    """Live with ragged histories, short episodes and weight updates, checking as the suite does."""
    life = Life(replace(SHAPES["vector"], episode_steps=19, **STORES[store]), seed=7)
    for step in range(steps):
        if step % 8 == 4:
            life.update_weights()
        envs = life.some_envs()
        life.observe(envs)
        outcome = life.plan(envs)
        if step < 3 or step % 3 == 0:
            life.check(envs, outcome)


def forget_which_path_a_key_is_of(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PathKeys, "follow", lambda self, parents, actions, latents: [action % 2 + 7 for action in actions])


def read_the_parents_of_other_environments(patch: pytest.MonkeyPatch) -> None:
    read = KeyedContexts.read
    patch.setattr(KeyedContexts, "read", lambda self, parents: read(self, parents[::-1].copy()))


def attend_to_padding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KeyedContexts, "_mask", lambda self: None)


def believe_contexts_one_step_longer(patch: pytest.MonkeyPatch) -> None:
    grown = KeyedContexts._grown
    patch.setattr(KeyedContexts, "_grown", lambda self, sizes: grown(self, sizes + 2))


def leave_out_the_last_step_of_a_regeneration(patch: pytest.MonkeyPatch) -> None:
    climb = KeyedContexts._climb

    def shorter(self: KeyedContexts, row: int) -> tuple[int, list[int]]:
        node, path = climb(self, row)
        return node, path[:-1] if len(path) > 1 else path

    patch.setattr(KeyedContexts, "_climb", shorter)


def regenerate_two_positions_off(patch: pytest.MonkeyPatch) -> None:
    regenerate = ContextRegenerator.regenerate

    def shifted(self: ContextRegenerator, window: object, *, lengths: np.ndarray, **rest: object) -> None:
        regenerate(self, window, lengths=lengths + 2, **rest)

    patch.setattr(ContextRegenerator, "regenerate", shifted)


def regenerate_without_a_mask(patch: pytest.MonkeyPatch) -> None:
    open_window = search_module.open_window

    def unmasked(*arguments: object, **rest: object) -> object:
        return replace(open_window(*arguments, **rest), is_valid=None)

    patch.setattr(search_module, "open_window", unmasked)


def leave_an_evicted_key_in_the_table(patch: pytest.MonkeyPatch) -> None:
    evict = SlotTable._evict

    def forgetful(self: SlotTable) -> int:
        slots = dict(self._slots)
        key = evict(self)
        self._slots[key] = slots[key]
        self._order.write(key)
        return key

    patch.setattr(SlotTable, "_evict", forgetful)
    patch.setattr(SlotTable, "find", lambda self, key: self._slots.get(key))


def copy_rows_in_another_order(patch: pytest.MonkeyPatch) -> None:
    copy_out = KVCachePool.copy_out

    def swapped(self: KVCachePool, slots: Sequence[int], batch: ContextBatch, rows: Sequence[int]) -> None:
        copy_out(self, slots[::-1], batch, rows)

    patch.setattr(KVCachePool, "copy_out", swapped)


def never_notice_stale_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RootLedger, "is_stale", lambda self, envs, version: np.zeros(len(envs), bool))


def keep_roots_over_episode_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KeyedStore, "reset", lambda *_: None)
    look_at_weights_only(patch)


def extend_the_root_before_the_newest(patch: pytest.MonkeyPatch) -> None:
    keep = KeyedStore._keep_roots

    def late(
        self: KeyedStore, envs: np.ndarray, version: int, lengths: np.ndarray, keys: list, contexts: object
    ) -> None:
        old = list(self._root_keys)
        keep(self, envs, version, lengths, keys, contexts)
        for env in envs[lengths > 3].tolist():
            if self.levels.holds(env, old[env]):
                self._root_keys[env] = old[env]

    patch.setattr(KeyedStore, "_keep_roots", late)


MUTATIONS: list[tuple[str, Callable[[pytest.MonkeyPatch], None]]] = [
    ("pooled", forget_which_path_a_key_is_of),
    ("pooled", read_the_parents_of_other_environments),
    ("pooled", attend_to_padding),
    ("legacy", believe_contexts_one_step_longer),
    ("pooled_small", leave_out_the_last_step_of_a_regeneration),
    ("legacy_small", regenerate_two_positions_off),
    ("pooled_small", regenerate_without_a_mask),
    ("pooled_small", leave_an_evicted_key_in_the_table),
    ("pooled", copy_rows_in_another_order),
    ("pooled", never_notice_stale_keys),
    ("pooled", keep_roots_over_episode_ends),
    ("pooled", extend_the_root_before_the_newest),
]


@pytest.mark.parametrize("store", ["pooled", "legacy", "pooled_small", "legacy_small"])
def test_the_life_is_exact_while_nothing_is_broken(store: str) -> None:
    live(store)


@pytest.mark.parametrize(("store", "mutation"), MUTATIONS, ids=lambda part: getattr(part, "__name__", part))
def test_the_suite_fails_when_a_keyed_store_is_broken(
    store: str, mutation: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError, match=r"largest difference|not finite"):
        live(store)
