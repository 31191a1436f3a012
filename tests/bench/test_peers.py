"""mctx searches the very network that kvzero searches, and is only needed when asked for."""

import importlib

import numpy as np
import pytest
import torch

from kvzero.bench.config import SearchBench
from kvzero.bench.own import random_network
from kvzero.bench.peers.find import _prepare_jax, find_peer
from kvzero.cache import Window
from kvzero.errors import ConfigError
from kvzero.model import NodeStepper

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


@pytest.fixture(scope="module")
def jax():
    _prepare_jax(torch.get_num_threads())
    return importlib.import_module("jax")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("bfloat16", 0.1)])
@torch.inference_mode()
def test_one_expansion_of_the_peer_equals_ours_and_leaves_the_same_context(dtype, tolerance, jax):
    model = importlib.import_module("kvzero.bench.peers.mctx_model")
    network = random_network(SearchBench(**SHAPE, random_heads=True))
    keys_values = torch.randn(3, 6 + 2, 2, 2, 2, 8)
    actions, positions = torch.tensor([4, 0, 2]), torch.tensor([[9, 10], [31, 32], [7, 8]])
    before = np.ascontiguousarray(keys_values[:, :6].movedim(2, 1).numpy().copy())
    ours = NodeStepper(network)(actions, positions, Window(keys_values, None))
    theirs, context = jax.jit(model.expand_node)(
        model.read_params(network, dtype, num_positions=40),
        jax.numpy.asarray(actions.numpy()),
        jax.numpy.asarray(before, dtype),
        jax.numpy.asarray(positions[:, 0].numpy()),
    )
    assert ours.rewards.abs().min() > 1e-3
    for name in ("rewards", "values", "policy_logits"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), atol=tolerance, rtol=tolerance)
    np.testing.assert_allclose(context.astype("float32"), keys_values[:, 2:].movedim(2, 1), atol=tolerance)


@pytest.mark.parametrize(
    ("dtype", "seconds", "best"),
    [
        ("float32", {"float32": 2.0, "bfloat16": 1.0}, "float32"),
        ("bfloat16", {"float32": 2.0, "bfloat16": 1.0}, "bfloat16"),
        ("bfloat16", {"float32": 2.0, "bfloat16": 4.0}, "float32"),
    ],
)
def test_against_bfloat16_the_peer_searches_in_its_faster_number_type(dtype, seconds, best, jax, monkeypatch):
    class Steady:
        def __init__(self, config, dtype):
            self.dtype = dtype

        def search(self):
            return seconds[self.dtype]

    monkeypatch.setattr(importlib.import_module("kvzero.bench.peers.mctx_search"), "MctxSearch", Steady)
    peer = find_peer(SearchBench(num_envs=4, num_simulations=6, dtype=dtype, peer="mctx"), torch.get_num_threads())
    assert peer.dtype == peer.searcher.dtype == best
    assert peer.heats[best] == 24 / seconds[best]
    assert len(peer.heats) == (1 if dtype == "float32" else 2)


def test_a_device_that_jax_does_not_have_is_refused(jax, monkeypatch):
    room = importlib.import_module("kvzero.bench.peers.mctx_search")
    monkeypatch.setattr(room, "choose_device", lambda name: torch.device("cuda"))
    with pytest.raises(ConfigError, match="JAX has no cuda here"):
        room.jax_device(SearchBench(device="cuda"))


def test_threads_of_jax_cannot_change_in_mid_process(jax):
    with pytest.raises(ConfigError, match="another process"):
        _prepare_jax(torch.get_num_threads() + 1)
