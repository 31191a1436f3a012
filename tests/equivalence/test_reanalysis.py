"""Rows that are searched again: roots and nodes equal one uncached forward over what is held of their episode."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.equivalence import test_learned
from tests.equivalence.judging import NUM_STREAMS, ROWS_PER_ENV, Judging
from tests.equivalence.test_exactness import SHAPES, STORES, engine_of, trees_of

from kvzero.cache import TreeStore
from kvzero.model import Network
from kvzero.replay import judging

ROWS_AT_ONCE = 7


def lives() -> list[tuple[str, str]]:
    """Return every shape in one engine, as all make roots in the same way, and every engine and store with a shape."""
    shapes = [(name, "tree") for name in SHAPES]
    engines = [("vector", store) for store in STORES] + [("continuous", store) for store in trees_of("continuous")]
    return list(dict.fromkeys([*shapes, *engines, ("continuous", "pooled"), ("image", "legacy")]))


def judge_a_life(life: Judging) -> None:
    """Judge rows while the rings fill, wrap and are judged for the second time, with weights that change."""
    for update in range(1, 6):
        life.collect(9, judged_at=update - 1)
        life.update_weights()
        life.judge(11, num_updates=update)
    life.judge(NUM_STREAMS * ROWS_PER_ENV, num_updates=6)


@pytest.mark.parametrize(("name", "store"), lives())
def test_every_node_below_a_row_equals_one_uncached_forward(name: str, store: str) -> None:
    shape = replace(SHAPES[name], num_envs=ROWS_AT_ONCE, **STORES[store])
    life = Judging(shape, 0, engine=engine_of(store))
    judge_a_life(life)
    assert min(life.num_begun, life.num_cut) > 0
    assert life.num_long > 0 or shape.model.layout.history_steps > 8


@pytest.mark.parametrize("store", ["pooled", "legacy"])
@pytest.mark.parametrize("name", test_learned.SHAPES)
def test_where_windows_slide_every_row_is_seen_in_a_window_of_its_own(name: str, store: str) -> None:
    life = Judging(replace(test_learned.SHAPES[name], num_envs=ROWS_AT_ONCE, store=store), 1)
    judge_a_life(life)
    assert min(life.num_begun, life.num_cut, life.num_long) > 0


def look_across_the_start_of_an_episode(patch: pytest.MonkeyPatch) -> None:
    def blind(rows: judging.Rows, envs: np.ndarray, starts: np.ndarray, most: int) -> np.ndarray:
        return np.minimum(most, starts - np.maximum(rows.num_written[envs] - rows.rows_per_env, 0))

    patch.setattr(judging, "_depths", blind)


def read_what_the_ring_has_overwritten(patch: pytest.MonkeyPatch) -> None:
    def greedy(rows: judging.Rows, envs: np.ndarray, starts: np.ndarray, most: int) -> np.ndarray:
        numbers = starts[:, None] - np.arange(1, most + 1)
        is_same = rows.kinds[envs[:, None], numbers % rows.rows_per_env] == judging.STEP
        return np.logical_and.accumulate(is_same, axis=1).sum(1)

    patch.setattr(judging, "_depths", greedy)


def leave_out_the_step_before(patch: pytest.MonkeyPatch) -> None:
    depths = judging._depths
    patch.setattr(judging, "_depths", lambda *arguments: (depths(*arguments) - 1).clip(min=0))


def see_less_than_the_receptive_field(patch: pytest.MonkeyPatch) -> None:
    depths = judging._depths
    patch.setattr(judging, "_depths", lambda rows, envs, starts, most: depths(rows, envs, starts, most // 2))


def shift_the_context_by_a_step(patch: pytest.MonkeyPatch) -> None:
    keep = TreeStore.replace_roots

    def shifted(self: TreeStore, *arguments: object, keys_values: torch.Tensor, **rest: object) -> None:
        keep(self, *arguments, keys_values=keys_values.roll(2, dims=1), **rest)

    patch.setattr(TreeStore, "replace_roots", shifted)


def attend_to_padding(patch: pytest.MonkeyPatch) -> None:
    read = Network.read_along

    def unmasked(self: Network, *arguments: object, is_valid: torch.Tensor, is_read: torch.Tensor) -> object:
        return read(self, *arguments, is_valid=torch.ones_like(is_valid), is_read=is_read)

    patch.setattr(Network, "read_along", unmasked)


def count_positions_from_the_padding(patch: pytest.MonkeyPatch) -> None:
    read = Network.read_along

    def late(self: Network, latents: torch.Tensor, actions: torch.Tensor, positions: torch.Tensor, **rest: object):
        return read(self, latents, actions, positions + 1, **rest)

    patch.setattr(Network, "read_along", late)


def search_the_row_after(patch: pytest.MonkeyPatch) -> None:
    follow = Judging._follow

    def stale(self: Judging, chunks: judging.Chunks) -> None:
        follow(self, replace(chunks, is_root=np.roll(chunks.is_root, -1, axis=1)))

    patch.setattr(Judging, "_follow", stale)


MUTATIONS = [
    look_across_the_start_of_an_episode,
    read_what_the_ring_has_overwritten,
    leave_out_the_step_before,
    see_less_than_the_receptive_field,
    shift_the_context_by_a_step,
    attend_to_padding,
    count_positions_from_the_padding,
    search_the_row_after,
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_the_suite_fails_when_reanalysis_is_broken(
    mutation: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError, match=r"largest difference|not finite|not held"):
        judge_a_life(Judging(replace(SHAPES["vector"], num_envs=ROWS_AT_ONCE), 0))
