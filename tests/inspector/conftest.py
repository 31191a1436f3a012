"""Tiny runs of each kind of world that the inspector shows, and a game of each."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tests.inspector.tiny import tiny

import kvzero
from kvzero.inspector import Game, inspect_run


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that returns the folder of a run of each kind; do not write into it."""

    @cache
    def train(kind: str) -> Path:
        return kvzero.train(tiny(kind, tmp_path_factory.mktemp("inspected"))).run

    return train


@pytest.fixture(scope="session")
def game_of(run_of: Callable[[str], Path]) -> Callable[[str], Game]:
    """Return a function that returns a game of each kind."""

    @cache
    def play(kind: str) -> Game:
        return inspect_run(run_of(kind), seed=3, max_steps=14, num_foreseen=5, device="cpu")

    return play
