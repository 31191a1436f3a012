"""`kvzero bench search --peer mctx` tells how fast a peer is, and which extra brings it."""

import importlib
import json
import sys

import numpy as np
import pytest
import torch

from kvzero.bench.peers.find import _prepare_jax

SHAPE = {
    "num_envs": 3,
    "num_simulations": 7,
    "num_actions": 5,
    "embed_dim": 16,
    "num_layers": 2,
    "num_heads": 2,
    "context_tokens": 6,
    "support_size": 11,
    "head_expansion": 3,
}
FLAGS = [word for name, value in SHAPE.items() for word in (f"--{name.replace('_', '-')}", value)]


@pytest.fixture(scope="module")
def jax():
    _prepare_jax(torch.get_num_threads())
    return importlib.import_module("jax")


@pytest.fixture
def visits(jax, monkeypatch):
    """Return a list that the visits of every search of the peer are appended to, [env, action] each."""
    found = []
    search = mctx_search().search

    def remember(self):
        seconds = search(self)
        found.append(SHAPE["num_simulations"] * self.action_weights)
        return seconds

    monkeypatch.setattr(mctx_search(), "search", remember)
    return found


def mctx_search():
    return importlib.import_module("kvzero.bench.peers.mctx_search").MctxSearch


def test_the_peer_searches_as_asked_and_its_figures_have_the_names_that_others_rely_on(command, tmp_path, visits):
    path = tmp_path / "new" / "folder" / "figures.json"
    flags = ["--peer", "mctx", "--num-pairs", 3, "--num-searches", 2, "--random-heads", "--out", path]
    said = command("bench", "search", "--json", *FLAGS, *flags)
    assert said.status == 0
    found = json.loads(said.out)
    assert json.loads(path.read_text(encoding="utf-8")) == found
    assert found["peer"] == "mctx"
    assert found["peer_dtype"] == "float32"
    assert list(found["peer_heats"]) == ["float32"]
    assert len(found["peer_ratios"]) == 3
    assert found["peer_ratio_min"] == min(found["peer_ratios"])
    assert found["peer_ratio_max"] == max(found["peer_ratios"])
    assert found["peer_ratio_median"] == sorted(found["peer_ratios"])[1]
    assert found["peer_simulations_per_second"] > 0
    assert {"jax", "mctx", "torch"} <= set(found["machine"]["versions"])
    assert len(visits) > 6
    assert np.isfinite(visits).all()
    np.testing.assert_allclose(np.sum(visits, axis=-1), 7, atol=1e-4)
    np.testing.assert_allclose(visits, np.round(visits), atol=1e-4)
    assert len(np.unique(np.round(visits), axis=0)) > 1


@pytest.mark.parametrize("package", ["jax", "mctx"])
def test_a_missing_peer_is_refused_with_the_extra_that_brings_it(package, command, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    said = command("bench", "search", "--peer", "mctx", *FLAGS)
    assert said.status == 2
    assert package in said.err
    assert 'pip install "kvzero[bench]"' in said.err
