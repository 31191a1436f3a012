"""Kernels are compiled for any account, with a disk cache or without, and never from half of one."""

import importlib.util
import os
import pwd
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kvzero.search.compiled import _digest_sources

SOURCE = """
from kvzero.search.compiled import compiled

@compiled
def add(first, second):
    return first + second
"""

RULE = """
from kvzero.search.compiled import compiled

@compiled
def choose(number):
    return number + {added}
"""

BUILT = """
from kvzero.search.compiled import compiled

def build(choose):
    @compiled
    def select(number):
        return choose(number)

    @compiled
    def grow(number):
        return select(number)

    return grow
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Callable[[int, int], int]]:
    """Return what loads a kernel anew, as the next process would; its file lies in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sources" / "kernel.py"
    path.parent.mkdir()
    path.write_text(SOURCE, encoding="utf-8")

    return lambda: run(path).add


def run(path: Path) -> Any:
    """Return a module of its own of a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refuse(*args: object, **kwargs: object) -> None:
    raise PermissionError("nothing can be written here")


def kept(tmp_path: Path) -> list[Path]:
    return sorted(path for path in tmp_path.rglob("*") if path.suffix in {".nbi", ".nbc"})


def test_machine_code_is_kept_for_the_next_process(load, tmp_path):
    assert load()(2, 3) == 5
    assert [path.suffix for path in kept(tmp_path)] == [".nbc", ".nbi"]
    second = load()
    assert second(2, 3) == 5
    assert sum(second.stats.cache_hits.values()) == 1


def test_where_nothing_can_be_written_every_process_compiles_for_itself(load, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert load()(2, 3) == 5
    assert kept(tmp_path) == []


def test_a_user_without_a_home_gets_no_folder_named_like_its_sign(load, tmp_path, monkeypatch):
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    before = sorted(tmp_path.rglob("*"))
    assert load()(2, 3) == 5
    assert [path for path in tmp_path.rglob("*") if path not in before and path.suffix != ".pyc"] in (
        [],
        [tmp_path / "sources" / "__pycache__"],
    )


def test_a_full_disk_keeps_nothing_and_hinders_nothing(load, tmp_path, monkeypatch):
    kernel = load()
    monkeypatch.setattr(kernel._cache._cache_file, "save", refuse)
    assert kernel(2, 3) == 5
    assert kept(tmp_path) == []


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_machine_code_that_was_cut_short_is_made_anew(load, tmp_path, suffix, share):
    assert load()(2, 3) == 5
    (torn,) = [path for path in kept(tmp_path) if path.suffix == suffix]
    content = torn.read_bytes()
    torn.write_bytes(content[: int(share * len(content))])
    assert load()(2, 3) == 5


def test_what_is_built_for_a_rule_is_made_anew_when_the_rule_changes(tmp_path):
    built, rule = tmp_path / "built.py", tmp_path / "rule.py"
    built.write_text(BUILT, encoding="utf-8")
    for added, num_found in ((1, 0), (1, 1), (20, 0)):
        rule.write_text(RULE.format(added=added), encoding="utf-8")
        _digest_sources.cache_clear()  # as in another process
        grow = run(built).build(run(rule).choose)
        assert grow(2) == 2 + added
        assert sum(grow.stats.cache_hits.values()) == num_found
