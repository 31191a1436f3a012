"""What is computed in another way in an update is what PyTorch computes, forward and backward."""

from collections.abc import Callable

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from kvzero.training.learning.arithmetic import FEWEST_MULTIPLICATIONS, UpdateArithmetic


def gradients(compute: Callable[..., torch.Tensor], *numbers: torch.Tensor) -> list[torch.Tensor]:
    """Return what is computed, and the gradient of a weighed sum of it."""
    leaves = [each.clone().requires_grad_() for each in numbers]
    found = compute(*leaves)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).to(found.dtype)
    return [found.detach(), *torch.autograd.grad((found * weights).sum(), leaves)]


def compare(compute: Callable[..., torch.Tensor], *numbers: torch.Tensor, atol: float = 1e-5) -> None:
    wanted = gradients(compute, *numbers)
    with UpdateArithmetic():
        found = gradients(compute, *numbers)
    for mine, other in zip(found, wanted, strict=True):
        assert mine.dtype == other.dtype
        torch.testing.assert_close(mine, other, atol=atol, rtol=1e-5)


def draw(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


@settings(max_examples=20)
@given(shape=st.sampled_from([(7, 3, 96), (40, 5, 64), (900, 70)]), outputs=st.integers(1, 300))
def test_products_equal_pytorchs_whether_they_are_large_or_small(shape, outputs):
    weight, bias = draw(outputs, shape[-1], scale=0.1), draw(outputs)
    compare(functional.linear, draw(*shape, scale=0.3), weight, bias, atol=1e-4)


def test_large_products_of_parts_of_larger_tensors_equal_pytorchs():
    weight, bias = draw(130, 60, scale=0.1), draw(130)
    compare(lambda rows, *rest: functional.linear(rows[:, 1::2, :60], *rest), draw(90, 9, 71, scale=0.3), weight, bias)
    assert FEWEST_MULTIPLICATIONS < 90 * 4 * 60 * 130


def test_rows_that_need_no_gradient_get_none():
    rows, weight, bias = draw(300, 100, scale=0.3), draw(90, 100, scale=0.1).requires_grad_(), draw(90)
    with UpdateArithmetic():
        functional.linear(rows, weight, bias).sum().backward()
    torch.testing.assert_close(weight.grad, rows.sum(0).expand(90, -1), atol=1e-4, rtol=1e-4)


@settings(max_examples=20)
@given(scale=st.sampled_from([0.01, 1.0, 5.0, 300.0]), approximate=st.sampled_from(["none", "tanh"]))
def test_gelu_is_gelu(scale, approximate):
    compare(lambda numbers: functional.gelu(numbers, approximate=approximate), draw(6, 50, scale=scale))


@settings(max_examples=20)
@given(scale=st.sampled_from([0.01, 1.0, 90.0, 1e4]), width=st.sampled_from([1, 8, 15, 16, 40]))
def test_softmax_of_groups_of_any_width_is_softmax(scale, width):
    compare(lambda numbers: numbers.softmax(-1), draw(3, 7, width, scale=scale))


def test_softmax_over_another_axis_is_left_alone():
    compare(lambda numbers: numbers.softmax(0), draw(3, 7))


def test_in_bfloat16_small_softmaxes_stay_float32_and_gelu_rounds_once():
    numbers = draw(5, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16), UpdateArithmetic():
        shares, found = numbers.softmax(-1), functional.gelu(numbers, approximate="tanh")
    assert shares.dtype == torch.float32
    torch.testing.assert_close(shares, numbers.float().softmax(-1), atol=1e-6, rtol=0)
    assert found.dtype == torch.bfloat16
    exact = functional.gelu(numbers.float(), approximate="tanh")
    torch.testing.assert_close(found.float(), exact, atol=1e-3, rtol=4e-3)
