"""The floor counts the linear layers that the network has, in the order in which a simulation applies them."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from kvzero.bench.config import SearchBench
from kvzero.bench.floor import FloorMeter, layer_sizes, native_layers, native_ways, simulations_at_once, torch_ways
from kvzero.bench.floor.torch_layers import LinearLayers, _addmm, _packed
from kvzero.bench.own import random_network
from kvzero.bench.threads import torch_threads
from kvzero.errors import EngineError

SHAPE = SearchBench(
    num_envs=3, num_actions=5, embed_dim=16, num_layers=3, num_heads=2, support_size=11, head_expansion=2
)


def linear_layers(module: nn.Module) -> list[tuple[int, int]]:
    return [(layer.in_features, layer.out_features) for layer in module.modules() if isinstance(layer, nn.Linear)]


def test_the_layers_are_those_of_the_network_in_the_order_of_two_passes():
    sizes, order = layer_sizes(SHAPE)
    network = random_network(SHAPE)
    body = linear_layers(network.transformer)
    rewards, values = linear_layers(network.action_head), linear_layers(network.latent_head)
    assert len(body) == 12
    assert sizes == [*body, *rewards, *values]
    assert [sizes[index] for index in order] == [*body, *rewards, *body, *values]


class Way:
    """A way whose turns take what is written down for them."""

    def __init__(self, *milliseconds: float) -> None:
        self._turns = [each / 1000 for each in milliseconds for _ in range(4)]

    def search(self) -> float:
        return self._turns.pop(0)


def test_the_floor_is_the_way_that_is_fastest_by_the_median_of_its_turns():
    ways = {"steady": Way(2, 2, 2), "lucky once": Way(9, 1, 9), "slow": Way(5, 5, 5)}
    meter = FloorMeter(ways, min_seconds=0.0)
    for _ in range(3):
        meter.measure()
    assert (meter.floor.way, meter.floor.milliseconds) == ("steady", pytest.approx(2))


def test_small_shapes_are_computed_often_in_one_call_and_large_ones_once():
    small, large = SearchBench(num_simulations=7), SearchBench(num_envs=64, embed_dim=768, num_heads=8)
    assert simulations_at_once(small) == 7
    assert 1 < simulations_at_once(SearchBench(num_simulations=10**6)) < 1000
    assert simulations_at_once(large) == 1


@pytest.mark.parametrize("way", [_addmm, _packed])
def test_another_way_computes_the_same_layer(way):
    weight, bias, rows = torch.randn(7, 16), torch.randn(7), torch.randn(3, 16)
    assert torch.allclose(way(weight, bias, 3)(rows), functional.linear(rows, weight, bias), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_way_applies_all_layers_of_both_passes(dtype, monkeypatch):
    config = SearchBench(**{name: getattr(SHAPE, name) for name in ("embed_dim", "num_layers")}, dtype=dtype)
    assert {"torch linear", "torch addmm, transposed weights"} <= set(torch_ways(config))
    applied: list[tuple[int, torch.dtype]] = []

    def counting(weight, bias, num_rows):
        return lambda rows: applied.append((rows.shape[1], rows.dtype))

    layers = LinearLayers(config, counting)
    assert layers.search() > 0
    sizes, order = layer_sizes(config)
    assert applied == [(sizes[index][0], getattr(torch, dtype)) for index in order]


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("num_envs", "embed_dim"), [(3, 16), (70, 256)])  # threads that share rows, and layers
def test_the_native_engine_has_a_way_too(num_envs, embed_dim, dtype, num_threads):
    config = SearchBench(num_envs=num_envs, num_simulations=2, embed_dim=embed_dim, dtype=dtype)
    with torch_threads(num_threads):
        (way,) = native_ways(config).values()
        assert way.search() > 0


def test_a_machine_without_the_engine_has_one_way_less(monkeypatch):
    def refuse():
        raise EngineError("no compiler")

    monkeypatch.setattr(native_layers, "_load", refuse)
    assert native_ways(SHAPE) == {}
