"""The floor of a shape on this machine: what the linear layers of one simulation take alone.

A simulation is two dependent passes of one token per environment through all linear layers of the transformer, each
followed by the heads that its token is read by. Nothing else is counted: no norm, no attention, no tree, no cache.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from kvzero.cli.bench.config import SearchBench
from kvzero.cli.bench.own import random_network
from kvzero.cli.bench.turns import Searcher, take_turn
from kvzero.errors import EngineError
from kvzero.model import NativeNetwork, choose_device

__all__ = [
    "Floor",
    "FloorMeter",
    "LinearLayers",
    "NativeLayers",
    "layer_sizes",
    "native_ways",
    "simulations_at_once",
    "torch_ways",
]

ROUND_SECONDS = 0.05
CALL_PRODUCTS = 200_000_000

Apply = Callable[[Tensor], Tensor]
Way = Callable[[Float[Tensor, "out in"], Float[Tensor, " out"], int], Apply]


@dataclass(frozen=True, slots=True)
class Floor:
    """The fastest way found."""

    milliseconds: float
    """Time of the linear layers of one simulation."""

    way: str
    """How they were computed."""


def layer_sizes(config: SearchBench) -> tuple[list[tuple[int, int]], list[int]]:
    """Return `(inputs, outputs)` of every linear layer, and the order in which one simulation applies them."""
    embed, hidden = config.embed_dim, config.embed_dim * config.head_expansion
    block = [(embed, 3 * embed), (embed, embed), (embed, 4 * embed), (4 * embed, embed)]
    action_head = [(embed, 2 * hidden), (hidden, config.support_size), (hidden, embed)]
    latent_head = [(embed, 2 * hidden), (hidden, config.support_size), (hidden, config.policy_size)]
    sizes = block * config.num_layers + action_head + latent_head
    end = len(block) * config.num_layers
    transformer, heads = list(range(end)), list(range(end, len(sizes)))
    return sizes, [*transformer, *heads[:3], *transformer, *heads[3:]]


def simulations_at_once(config: SearchBench) -> int:
    """Return how many simulations to compute in one call, so that neither the call itself nor its length matters."""
    sizes, order = layer_sizes(config)
    products = config.num_envs * sum(sizes[index][0] * sizes[index][1] for index in order)
    return max(1, min(config.num_simulations, CALL_PRODUCTS // products))


class FloorMeter:
    """Measures all ways in turns, one round at a time, between whatever else is measured."""

    def __init__(self, ways: Mapping[str, Searcher], *, min_seconds: float = ROUND_SECONDS) -> None:
        self._ways = ways
        self._min_seconds = min_seconds
        self._medians: dict[str, list[float]] = {name: [] for name in ways}

    def measure(self) -> None:
        """Let each way have one turn."""
        for name, way in self._ways.items():
            turn = take_turn(way, num_searches=3, min_seconds=self._min_seconds)
            self._medians[name].append(statistics.median(turn))

    @property
    def floor(self) -> Floor:
        """The way whose median turn was fastest."""
        seconds = {name: statistics.median(turns) for name, turns in self._medians.items()}
        best = min(seconds, key=seconds.__getitem__)
        return Floor(1000 * seconds[best], best)


def torch_ways(config: SearchBench) -> dict[str, Searcher]:
    """Return the ways that PyTorch has of computing these layers in this number type on this device."""
    ways: dict[str, Way] = {"torch linear": _linear, "torch addmm, transposed weights": _addmm}
    device, dtype = choose_device(config.device), getattr(torch, config.dtype)
    if device.type == "cpu" and _has_packed(dtype):
        ways["torch linear, packed weights"] = _packed
    return {name: LinearLayers(config, way) for name, way in ways.items()}


def native_ways(config: SearchBench) -> dict[str, Searcher]:
    """Return the way that the native engine has, where it can serve."""
    try:
        return {"native": NativeLayers(config)}
    except EngineError:
        return {}


class NativeLayers:
    """The linear layers of several simulations as the native engine computes them, without anything between them."""

    def __init__(self, config: SearchBench) -> None:
        """Pack weights.

        Raises:
            EngineError: if the engine cannot serve here.
        """
        network = random_network(config).to(choose_device(config.device))
        self._engine = NativeNetwork(network, dtype=getattr(torch, config.dtype), max_rows=config.num_envs)
        self._sizes = config.num_envs, simulations_at_once(config)

    def search(self) -> float:
        """Compute the layers of several simulations; return the seconds that one of them took."""
        before = time.perf_counter()
        self._engine.multiply(*self._sizes)
        return (time.perf_counter() - before) / self._sizes[1]


class LinearLayers:
    """The linear layers of one simulation, one after the other; every layer has weights of its own."""

    def __init__(self, config: SearchBench, way: Way) -> None:
        """Draw weights and inputs."""
        device, dtype = choose_device(config.device), getattr(torch, config.dtype)
        sizes, order = layer_sizes(config)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, device=device, dtype=dtype)

        with torch.inference_mode():
            rows = {inputs: draw(config.num_envs, inputs) for inputs, _ in sizes}
            layers = [way(draw(outputs, inputs), draw(outputs), config.num_envs) for inputs, outputs in sizes]
        self._is_cuda = device.type == "cuda"
        self._steps = [(layers[index], rows[sizes[index][0]]) for index in order]

    @torch.inference_mode()
    def search(self) -> float:
        """Apply the layers of one simulation; return the seconds that it took."""
        before = time.perf_counter()
        for layer, rows in self._steps:
            layer(rows)
        if self._is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - before


def _linear(weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"], num_rows: int) -> Apply:
    del num_rows
    return lambda rows: functional.linear(rows, weight, bias)


def _addmm(weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"], num_rows: int) -> Apply:
    transposed = weight.t().contiguous()
    place = weight.new_empty(num_rows, len(weight))
    return lambda rows: torch.addmm(bias, rows, transposed, out=place)


def _packed(weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"], num_rows: int) -> Apply:
    """Reorder the weights once as oneDNN wants them; what `torch.compile` does when it freezes a network."""
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, num_rows)

    def apply(rows: Tensor) -> Tensor:
        answer: Tensor = torch.ops.mkldnn._linear_pointwise(rows, packed, bias, "none", [], "")
        return answer

    return apply


def _has_packed(dtype: torch.dtype) -> bool:
    """Tell whether this build of PyTorch has oneDNN, and oneDNN computes in this type on this processor."""
    is_served = dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.backends.mkldnn.is_available() and bool(is_served)  # type: ignore[no-untyped-call]
