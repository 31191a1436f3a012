"""The exactness suite notices when the native engine is broken: in its C source, or in what it is told."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.equivalence.scenario import Life
from tests.equivalence.test_exactness import SHAPES
from tests.equivalence.test_mutations import look_at_weights_only

from kvzero.cache import TreeStore
from kvzero.cache.ledger import RootLedger
from kvzero.engines import native as native_module
from kvzero.errors import SearchError
from kvzero.model.native import build as build_module
from kvzero.model.native import engine as engine_module
from kvzero.model.native.engine import NativeNetwork

SOURCES = Path(build_module.__file__).parent

EDITS = {
    "attend_one_token_too_far": ("i = pass->which + 1;", "i = pass->which;"),
    "forget_the_oldest_token": ("i = pass->which + 1;", "i = pass->which + 2;"),
    "attend_to_padding": ("if (slots[i] >= 0) places", "if (slots[i] >= -9) places"),
    "shift_a_row_by_one_token_only": ("slots + 2, (size_t)context * 8", "slots + 1, (size_t)context * 8"),
    "give_both_tokens_one_slot": ("own[1] = own[0] + 1;", "own[1] = own[0];"),
    "number_both_tokens_alike": ("engine->positions[2 * row] + 1;", "engine->positions[2 * row];"),
    "count_a_step_as_one_token": ("2 * depths[place] - 1", "depths[place] - 1"),
    "hang_every_node_below_the_root": ("table + parents[place] * context", "table + 0 * context"),
    "read_the_wrong_hidden_layer": ("engine->hidden, engine->sizes.hidden,", "engine->hidden, 0,"),
    "leave_out_the_rotation": ("    rotate(query, rotation, 2 * heads, head_dim);\n", ""),
    "write_no_keys": ("    keep(is_bf16, places[num_places - 1], key, embed);\n", ""),
}


def live(steps: int = 26) -> None:
    life = Life(replace(SHAPES["vector"], episode_steps=19), seed=7, engine="native")
    for step in range(steps):
        if step % 8 == 4:
            life.update_weights()
        envs = life.some_envs()
        life.observe(envs)
        outcome = life.plan(envs)
        if step < 3 or step % 4 == 0:
            life.check(envs, outcome)


def compile_edited(folder: Path, old: str, new: str) -> ctypes.CDLL:
    """Return a library of the sources with one of their lines changed."""
    for name in build_module.SOURCES:
        shutil.copy(SOURCES / name, folder)
    source = folder / "engine.c"
    text = source.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    source.write_text(text.replace(old, new), encoding="utf-8")
    library = folder / "edited.so"
    compiler = build_module._find_compiler()
    flags = [flag for flag in build_module.FLAGS if not flag.startswith("-O")]
    subprocess.run([compiler, "-O1", *flags, str(source), "-o", str(library), "-lm"], check=True)
    return ctypes.CDLL(str(library))


@pytest.mark.parametrize("name", EDITS)
def test_the_suite_fails_when_the_source_is_broken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = compile_edited(tmp_path, *EDITS[name])
    monkeypatch.setattr(engine_module, "load_library", lambda: library)
    with pytest.raises((AssertionError, SearchError), match=r"largest difference|not finite|not all finite"):
        live()  # what stands in memory that is not the table's may be NaN, which the search itself refuses


def never_pack_again(patch: pytest.MonkeyPatch) -> None:
    refresh = NativeNetwork.refresh
    patch.setattr(NativeNetwork, "refresh", lambda self, version: self._version is None and refresh(self, version))


def never_notice_stale_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RootLedger, "is_stale", lambda self, envs, version: np.zeros(len(envs), bool))


def keep_roots_over_episode_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TreeStore, "reset", lambda *_: None)
    look_at_weights_only(patch)


def number_tokens_two_off(patch: pytest.MonkeyPatch) -> None:
    def shifted(engine: object, memory: object, envs: object, positions: np.ndarray, **rest: object) -> object:
        return engine_module.NativeSearch(engine, memory, envs, positions + 2, **rest)

    patch.setattr(native_module, "NativeSearch", shifted)


def read_the_keys_of_other_environments(patch: pytest.MonkeyPatch) -> None:
    def swapped(engine: object, memory: object, envs: np.ndarray, positions: object, **rest: object) -> object:
        return engine_module.NativeSearch(engine, memory, envs[::-1], positions, **rest)

    patch.setattr(native_module, "NativeSearch", swapped)


@pytest.mark.parametrize(
    "mutation",
    [
        never_pack_again,
        never_notice_stale_keys,
        keep_roots_over_episode_ends,
        number_tokens_two_off,
        read_the_keys_of_other_environments,
    ],
    ids=lambda mutation: mutation.__name__,
)
def test_the_suite_fails_when_the_engine_is_told_wrong(
    mutation: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError, match=r"largest difference|not finite"):
        live()


def test_the_life_is_exact_while_nothing_is_broken() -> None:
    live()
