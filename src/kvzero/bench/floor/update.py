"""The floor of an update on this machine: what its matrix products and convolutions take alone.

They are read off one update as it is made, forward and backward, of the network and of its EMA copy, and each is
computed alone in every way at hand. Products of attention count where they are calls of their own, which is on CPUs.
Nothing else is counted: no norm, no activation, no loss, no optimiser.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from kvzero.bench.floor.meter import FloorMeter
from kvzero.bench.floor.products import Convolution, Multiplication, Product

__all__ = ["UpdateFloor", "record_products"]

TURN_SECONDS = 0.01
"""A turn of one product; there are dozens of them."""

ATEN = torch.ops.aten


class UpdateFloor:
    """Measures every product of an update in all its ways, one round at a time."""

    def __init__(self, products: Mapping[Product, int], device: torch.device) -> None:
        """Draw what is to be multiplied; `products` says how often an update makes each."""
        self._parts = [
            (count, FloorMeter(_ways(product, device), min_seconds=TURN_SECONDS)) for product, count in products.items()
        ]

    def measure(self) -> None:
        """Let each way of each product have one turn."""
        for _, meter in self._parts:
            meter.measure()

    @property
    def milliseconds(self) -> float:
        """What all products of an update take, each in its fastest way."""
        return sum(count * meter.floor.milliseconds for count, meter in self._parts)


@contextmanager
def record_products() -> Iterator[Counter[Product]]:
    """Inside the block, count the products that are computed, those of the backward pass too."""
    found: Counter[Product] = Counter()
    with _Recorder(found):
        yield found


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # its metaclass is untyped
    def __init__(self, found: Counter[Product]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """Count a call, and pass it on."""
        if read := READERS.get(func):
            self._found[read(*args)] += 1
        return func(*args, **(kwargs or {}))


def _read_product(left: torch.Tensor, right: torch.Tensor) -> Multiplication:
    batch, rows, inner = left.shape
    return Multiplication(batch, rows, inner, right.shape[-1], left.dtype)


def _read_linear(rows: torch.Tensor, weight: torch.Tensor, *_: Any) -> Multiplication:
    outputs, inputs = weight.shape
    return Multiplication(1, rows.numel() // inputs, inputs, outputs, rows.dtype)


def _read_convolution(
    image: torch.Tensor, weight: torch.Tensor, _: Any, stride: Any, padding: Any, *__: Any
) -> Convolution:
    return Convolution(tuple(image.shape), tuple(weight.shape), tuple(stride), tuple(padding), image.dtype)


def _read_backward(
    _: Any, image: torch.Tensor, weight: torch.Tensor, __: Any, stride: Any, padding: Any, *rest: Any
) -> Convolution:
    forward = _read_convolution(image, weight, None, stride, padding)
    return forward.backward(of_image=rest[-1][0])


READERS: dict[Any, Callable[..., Product]] = {
    ATEN.mm.default: lambda left, right: _read_product(left[None], right),
    ATEN.addmm.default: lambda _, left, right: _read_product(left[None], right),
    ATEN.bmm.default: _read_product,
    torch.ops.mkldnn._linear_pointwise.default: _read_linear,
    ATEN.convolution.default: _read_convolution,
    ATEN.convolution_backward.default: _read_backward,
}


class _Alone:
    """One product in one way."""

    def __init__(self, compute: Callable[[], Any], *, is_cuda: bool) -> None:
        self._compute = compute
        self._is_cuda = is_cuda

    @torch.no_grad()
    def search(self) -> float:
        """Compute it once; return the seconds that it took."""
        before = time.perf_counter()
        self._compute()
        if self._is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - before


def _ways(product: Product, device: torch.device) -> dict[str, _Alone]:
    return {name: _Alone(compute, is_cuda=device.type == "cuda") for name, compute in product.ways(device).items()}
