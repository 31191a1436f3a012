"""The products that an update is made of, and every way that PyTorch has of computing each."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Convolution", "Multiplication", "Product"]

Ways = dict[str, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Multiplication:
    """`batch` products of matrices `[rows, inner]` and `[inner, columns]`, laid out as suits best."""

    batch: int
    rows: int
    inner: int
    columns: int
    dtype: torch.dtype

    def ways(self, device: torch.device) -> Ways:
        """Return PyTorch's product with the second matrix in both layouts and, on CPUs, oneDNN's."""
        left = torch.randn(self.batch, self.rows, self.inner, device=device, dtype=self.dtype)
        right = torch.randn(self.batch, self.inner, self.columns, device=device, dtype=self.dtype)
        turned = right.mT.contiguous()
        if self.batch > 1:
            return {"bmm": lambda: torch.bmm(left, right), "bmm, transposed": lambda: torch.bmm(left, turned.mT)}
        first, second, weight = left[0], right[0], turned[0]
        ways: Ways = {"mm": lambda: first @ second, "mm, transposed": lambda: first @ weight.mT}
        if device.type == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            packed = torch.ops.mkldnn._reorder_linear_weight(weight, self.rows)
            ways["oneDNN"] = lambda: _multiply(first, weight)
            ways["oneDNN, packed"] = lambda: _multiply(first, packed)
        return ways


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution of images, or its backward pass."""

    image_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dtype: torch.dtype
    backward_of: tuple[bool, bool] | None = None
    """Which gradients are computed, of images and of weights; None is the forward pass."""

    def backward(self, *, of_image: bool) -> "Convolution":
        """Return the backward pass, of the weights and perhaps of the images too."""
        return replace(self, backward_of=(of_image, True))

    def ways(self, device: torch.device) -> Ways:
        """Return the convolution of what lies channel by channel, and with the channels of a pixel together."""
        formats = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
        return {name: self._in(memory_format, device) for name, memory_format in formats.items()}

    def _in(self, memory_format: torch.memory_format, device: torch.device) -> Callable[[], object]:
        def place(tensor: Tensor) -> Tensor:
            return tensor.to(device, self.dtype).contiguous(memory_format=memory_format)

        image, weight = place(torch.randn(self.image_shape)), place(torch.randn(self.weight_shape))
        shape = [self.stride, self.padding, (1, 1), False, (0, 0), 1]  # no dilation, not transposed, one group
        if self.backward_of is None:
            return lambda: torch.ops.aten.convolution(image, weight, None, *shape)
        gradient = torch.randn_like(torch.ops.aten.convolution(image, weight, None, *shape))
        mask = [*self.backward_of, False]
        return lambda: torch.ops.aten.convolution_backward(gradient, image, weight, None, *shape, mask)


Product = Multiplication | Convolution
"""A product of matrices or a convolution, known by its sizes; its `ways` draw what is to be multiplied."""


def _multiply(rows: Tensor, weight: Tensor) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, None, "none", [], "")
    return product
