"""Products in one launch are those of PyTorch's operations, interpreted on the CPU."""

import os
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from kvzero.model import Affine, HeadWeights

pytestmark = pytest.mark.skipif(
    find_spec("triton") is None or os.environ.get("TRITON_INTERPRET") != "1",
    reason="needs Triton and TRITON_INTERPRET=1",
)

DTYPES = (torch.float32, torch.bfloat16)
SIZES = ((20, 4, 37, 20), (70, 3, 48, 72), (12, 0, 24, 16))
"""Rows, how many of them are first, columns, depth: of one tile and of several, with and without something over."""


def draw_affine(num_columns: int, depth: int, dtype: torch.dtype) -> Affine:
    return Affine(torch.randn(num_columns, depth).to(dtype) * depth**-0.5, torch.randn(num_columns).to(dtype))


def apply_plainly(numbers: Tensor, affine: Affine) -> Tensor:
    return functional.linear(numbers.float(), affine.weight.float(), affine.bias.float())


def assert_near(found: Tensor, wanted: Tensor) -> None:
    tolerance = 1e-5 if found.dtype == torch.float32 else 0.02
    torch.testing.assert_close(found.float(), wanted, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("num_rows", "num_first", "num_columns", "depth"), SIZES)
def test_rows_are_multiplied_by_weights_and_the_first_ones_by_their_own(
    num_rows: int, num_first: int, num_columns: int, depth: int, dtype: torch.dtype
) -> None:
    from kvzero.engines.device.products import apply  # noqa: PLC0415  # optional

    torch.manual_seed(num_rows)
    numbers = torch.randn(num_rows, depth).to(dtype)
    first, other = (draw_affine(num_columns, depth, dtype) for _ in range(2))
    assert_near(apply(numbers, other), apply_plainly(numbers, other))
    sums = torch.cat([apply_plainly(numbers[:num_first], first), apply_plainly(numbers[num_first:], other)])
    found = apply(numbers, other, first=first, num_first=num_first, has_gelu=True)
    assert_near(found, functional.gelu(sums, approximate="tanh"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("num_rows", "num_latents", "embed", "depth"), SIZES)
@pytest.mark.parametrize(("num_bins", "num_actions"), [(11, 3), (33, 49)])
def test_the_last_layers_of_both_heads_answer_at_once(
    num_rows: int, num_latents: int, embed: int, depth: int, num_bins: int, num_actions: int, dtype: torch.dtype
) -> None:
    from kvzero.engines.device.products import answer  # noqa: PLC0415  # optional

    torch.manual_seed(num_rows)
    hidden = torch.randn(num_rows, 2 * depth).to(dtype)
    unused = draw_affine(1, 1, dtype)
    heads = [
        HeadWeights(unused, draw_affine(num_bins, depth, dtype), draw_affine(size, depth, dtype))
        for size in (num_actions, embed)
    ]
    found = answer(hidden, *heads, num_latents=num_latents)
    for head, rows in zip(heads, (slice(None, num_latents), slice(num_latents, None)), strict=True):
        assert_near(found.numbers[rows, :num_bins], apply_plainly(hidden[rows, :depth], head.first))
        second = found.numbers[rows, found.second : found.second + len(head.second.bias)]
        assert_near(second, apply_plainly(hidden[rows, depth:], head.second))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("num_rows", "depth", "num_slices"), [(12, 20, 1), (70, 48, 1), (18, 1536, 2)])
def test_long_sums_are_cut_into_slices(num_rows: int, depth: int, num_slices: int, dtype: torch.dtype) -> None:
    from kvzero.engines.device.products import sum_up  # noqa: PLC0415  # optional

    torch.manual_seed(num_rows)
    numbers, (weights, _) = torch.randn(num_rows, depth).to(dtype), draw_affine(24, depth, dtype)
    found = sum_up(numbers, weights)
    num_slices = 1 if dtype == torch.float32 else num_slices
    assert found.shape == (num_slices, num_rows, 24)
    for part, left, right in zip(found, numbers.chunk(num_slices, 1), weights.chunk(num_slices, 1), strict=True):
        torch.testing.assert_close(part, left.float() @ right.float().T, atol=2e-5, rtol=2e-5)
