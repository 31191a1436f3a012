"""Products of few rows and a network's weights on a GPU, each in one launch of a kernel of `triton_products`.

Import this file only where Triton is to be used. All sums are float32, of float32 numbers without TF32. Where PyTorch's
own product is one launch and of float32 numbers, it is taken: tensor cores, which tiles are made for, have no float32.
"""

from typing import Any, NamedTuple

import torch
import triton
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from kvzero.engines.device import triton_products as kernels
from kvzero.model import Affine, HeadWeights, activate

__all__ = ["Answers", "answer", "apply", "sum_up"]

MOST_ROWS = 64
"""Rows of a tile."""

LEAST_SIDE = 16
"""What tensor cores multiply at least."""


class Tile(NamedTuple):
    """What one program computes, and how."""

    columns: int
    depth: int
    num_warps: int
    num_stages: int


APPLY = Tile(columns=32, depth=64, num_warps=4, num_stages=5)
ANSWER = Tile(columns=32, depth=64, num_warps=4, num_stages=5)
SUM_UP = Tile(columns=16, depth=64, num_warps=4, num_stages=5)

SLICE_DEPTH = 768
"""Numbers that one program sums up at least: longer sums are cut into slices, as few rows do not keep a GPU busy."""


class Answers(NamedTuple):
    """What two heads say of latents and of actions, one row each, the latents first."""

    numbers: Float[Tensor, "token number"]
    """Logits of the bins of values and of rewards; from `second` on policy logits of latents, and of actions the next
    latent, not normalised. What lies between and behind is anything."""

    second: int
    """Where the second answer of a row begins."""


def apply(
    numbers: Float[Tensor, "row depth"],
    affine: Affine,
    *,
    has_gelu: bool = False,
    num_first: int = 0,
    first: Affine | None = None,
) -> Float[Tensor, "row column"]:
    """Return rows multiplied by weights, plus the bias, through GELU if asked for; `first` is for the first rows."""
    if numbers.dtype == torch.float32 and first is None:
        sums = functional.linear(numbers, *affine)
        return activate(sums) if has_gelu else sums
    (num_rows, depth), num_columns = numbers.shape, len(affine.weight)
    results = numbers.new_empty(num_rows, num_columns)
    sides, num_tiles = _cut_rows(num_first, num_rows)
    kernels.apply[triton.cdiv(num_columns, APPLY.columns), num_tiles](
        *(numbers, *(first or affine), *affine, results, num_first, num_rows),
        num_columns=num_columns,
        depth=depth,
        has_gelu=has_gelu,
        **sides,
        **_options(APPLY, depth),
    )
    return results


def sum_up(
    numbers: Float[Tensor, "row depth"], weights: Float[Tensor, "column depth"]
) -> Float[Tensor, "slice row column"]:
    """Return rows multiplied by weights, in parts that are still to be added up, as shapes alone decide."""
    if numbers.dtype == torch.float32:
        return (numbers @ weights.t())[None]
    (num_rows, depth), num_columns = numbers.shape, len(weights)
    num_slices = depth // SLICE_DEPTH if depth % SLICE_DEPTH == 0 else 1
    sums = numbers.new_empty(num_slices, num_rows, num_columns, dtype=torch.float32)
    sides, num_tiles = _cut_rows(0, num_rows)
    kernels.sum_up[triton.cdiv(num_columns, SUM_UP.columns), num_tiles, num_slices](
        *(numbers, weights, sums, num_rows),
        num_columns=num_columns,
        depth=depth,
        num_slices=num_slices,
        **sides,
        **_options(SUM_UP, depth),
    )
    return sums


def answer(
    hidden: Float[Tensor, "token two_hidden"], latent_head: HeadWeights, action_head: HeadWeights, *, num_latents: int
) -> Answers:
    """Return what the last layers of both heads make of tokens, of which the first ones are latents."""
    num_rows, depth = len(hidden), hidden.shape[1] // 2
    num_bins, num_actions, embed = (
        len(affine.weight) for affine in (latent_head.first, latent_head.second, action_head.second)
    )
    sides, num_tiles = _cut_rows(num_latents, num_rows)
    num_bin_tiles = triton.cdiv(num_bins, ANSWER.columns)
    num_column_tiles = num_bin_tiles + triton.cdiv(max(embed, num_actions), ANSWER.columns)
    answers = hidden.new_empty(num_rows, num_column_tiles * ANSWER.columns, dtype=torch.float32)
    kernels.answer[num_column_tiles, num_tiles](
        *(hidden, *latent_head.first, *latent_head.second, *action_head.first, *action_head.second),
        *(answers, num_latents, num_rows),
        num_bins=num_bins,
        num_actions=num_actions,
        embed=embed,
        depth=depth,
        **sides,
        **_options(ANSWER, depth),
    )
    return Answers(answers, num_bin_tiles * ANSWER.columns)


def _cut_rows(num_first: int, num_rows: int) -> tuple[dict[str, int], int]:
    """Return the rows of a tile and the number of tiles; none holds some of the first rows and some of the others."""
    most = max(num_first, num_rows - num_first)
    block = min(MOST_ROWS, max(LEAST_SIDE, triton.next_power_of_2(most)))
    return {"block_rows": block}, triton.cdiv(num_first, block) + triton.cdiv(num_rows - num_first, block)


def _options(tile: Tile, depth: int) -> dict[str, Any]:
    return {
        "block_columns": tile.columns,
        "block_depth": min(tile.depth, max(LEAST_SIDE, triton.next_power_of_2(depth))),
        "num_warps": tile.num_warps,
        "num_stages": tile.num_stages,
    }
