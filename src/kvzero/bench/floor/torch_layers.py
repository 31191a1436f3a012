"""The linear layers of a shape in every way that PyTorch has of computing them."""

import time
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from kvzero.bench.config import SearchBench
from kvzero.bench.floor.layers import layer_sizes
from kvzero.bench.turns import Searcher
from kvzero.model import choose_device

__all__ = ["LinearLayers", "torch_ways"]

Apply = Callable[[Tensor], Tensor]
Way = Callable[[Float[Tensor, "out in"], Float[Tensor, " out"], int], Apply]


def torch_ways(config: SearchBench) -> dict[str, Searcher]:
    """Return the ways that PyTorch has of computing these layers in this number type on this device."""
    ways: dict[str, Way] = {"torch linear": _linear, "torch addmm, transposed weights": _addmm}
    device, dtype = choose_device(config.device), getattr(torch, config.dtype)
    if device.type == "cpu" and _has_packed(dtype):
        ways["torch linear, packed weights"] = _packed
    return {name: LinearLayers(config, way) for name, way in ways.items()}


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
