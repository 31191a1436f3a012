"""How an update computes on a CPU: the products, activations and small softmaxes that PyTorch has faster ways for.

Inside the block of an `UpdateArithmetic` the same functions of PyTorch give the same numbers up to rounding, sooner.
Whoever acts or searches computes outside it, and is not touched.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["UpdateArithmetic"]

FEWEST_MULTIPLICATIONS = 2_000_000
"""Of numbers in a product of matrices, from which on oneDNN is faster than the BLAS, forward and backward."""

WIDEST_GROUP = 15
"""Numbers up to which PyTorch's softmax does not compute several at a time on processors with AVX-512."""

SLOPE, CUBE = 0.7978845608028654, 0.044715
"""GELU's tanh form (Hendrycks & Gimpel 2016) is `x / 2 (1 + tanh(SLOPE (x + CUBE x^3)))`; SLOPE is `sqrt(2 / pi)`."""


class UpdateArithmetic(TorchFunctionMode):
    """A block inside which float32 products, the tanh form of GELU and softmaxes of small groups take less time."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Compute in the other way where there is one for these arguments."""
        kwargs = kwargs or {}
        other = OTHER_WAYS.get(func)
        found = None if other is None else other(*args, **kwargs)
        return func(*args, **kwargs) if found is None else found


def _linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    is_float32 = rows.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if not is_float32 or bias is None or rows.numel() * len(weight) < FEWEST_MULTIPLICATIONS:
        return None
    product: Tensor = _Linear.apply(rows, weight, bias)  # type: ignore[no-untyped-call]
    return product


def _gelu(numbers: Tensor, *, approximate: str = "none") -> Tensor | None:
    if approximate != "tanh":
        return None
    activated: Tensor = _Gelu.apply(numbers)  # type: ignore[no-untyped-call]
    return activated


def _softmax(numbers: Tensor, dim: int) -> Tensor | None:
    if dim != -1 or numbers.shape[-1] > WIDEST_GROUP:
        return None
    exact = numbers.float() if torch.is_autocast_enabled("cpu") else numbers  # as on GPUs
    shares: Tensor = _Softmax.apply(exact)  # type: ignore[no-untyped-call]
    return shares


def _multiply(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return _multiply(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        rows, weight = ctx.saved_tensors
        flat, gradient = rows.flatten(0, -2).contiguous(), gradient.flatten(0, -2).contiguous()
        of_rows = _multiply(gradient, weight.t()).view_as(rows) if ctx.needs_input_grad[0] else None
        return of_rows, _of_weight(flat, gradient), gradient.sum(0)


def _of_weight(rows: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of a weight; oneDNN lays the left matrix out anew, which should be the smaller one."""
    if gradient.shape[1] > rows.shape[1]:
        return _multiply(rows.t(), gradient.t()).t()
    return _multiply(gradient.t(), rows.t())


class _Gelu(torch.autograd.Function):
    """`x sigmoid(2 SLOPE (x + CUBE x^3))`, which is the same: `(1 + tanh u) / 2 = sigmoid(2u)`."""

    @staticmethod
    def forward(ctx: FunctionCtx, numbers: Tensor) -> Tensor:
        exact = numbers.float()
        share = torch.addcmul(exact, exact * exact, exact, value=CUBE).mul_(2 * SLOPE).sigmoid_()
        ctx.save_for_backward(exact, share)
        return (exact * share).to(numbers.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        numbers, share = ctx.saved_tensors
        rise = torch.addcmul(numbers, numbers * numbers, numbers, value=3 * CUBE)
        rise.addcmul_(rise, share, value=-1)  # x (1 + 3 CUBE x^2) (1 - share)
        return torch.addcmul(share, share, rise, value=2 * SLOPE).mul_(gradient).to(gradient.dtype)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, numbers: Tensor) -> Tensor:
        shares = (numbers - numbers.amax(-1, keepdim=True)).exp_()
        shares.div_(shares.sum(-1, keepdim=True))
        ctx.save_for_backward(shares)
        return shares

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (shares,) = ctx.saved_tensors
        weighed = gradient * shares
        found: Tensor = weighed.addcmul_(shares, weighed.sum(-1, keepdim=True), value=-1)
        return found


OTHER_WAYS: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    functional.linear: _linear,
    functional.gelu: _gelu,
    torch.Tensor.softmax: _softmax,
}
