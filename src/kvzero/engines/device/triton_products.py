"""Kernels that multiply few rows by weights on a GPU: a tile of the products each, with all that belongs to it.

Import this file only where Triton is to be used, see `triton_operations`. A search passes some dozens of tokens at a
time: what a product costs is the time until all weights were read once, and the launches around it.
"""

from typing import Any

import triton.language as tl

from kvzero.search import kernel

__all__ = ["answer", "apply", "sum_up"]


@kernel
def multiply(
    numbers: tl.tensor,
    weights: tl.tensor,
    depth: tl.constexpr,
    block_rows: tl.constexpr,
    block_columns: tl.constexpr,
    block_depth: tl.constexpr,
) -> Any:
    """Return the scalar products of vectors of `depth` numbers, given where each of them begins, in float32."""
    places = tl.arange(0, block_depth)
    sums = tl.zeros((block_rows, block_columns), tl.float32)
    for start in range(0, depth, block_depth):
        is_inside = start + places < depth
        left = tl.load(numbers[:, None] + start + places[None, :], mask=is_inside[None, :], other=0.0)
        right = tl.load(weights[None, :] + start + places[:, None], mask=is_inside[:, None], other=0.0)
        sums = tl.dot(left, right, sums, input_precision="ieee")
    return sums


@kernel
def take_rows(num_first: tl.tensor, num_rows: tl.tensor, block_rows: tl.constexpr) -> Any:
    """Return whether this program is for the first rows or for the others, its rows, and where those end."""
    tile = tl.program_id(1)
    num_first_tiles = (num_first + block_rows - 1) // block_rows
    is_first = tile < num_first_tiles
    begin = tl.where(is_first, tile * block_rows, num_first + (tile - num_first_tiles) * block_rows)
    return is_first, begin + tl.arange(0, block_rows), tl.where(is_first, num_first, num_rows)


@kernel
def gelu(numbers: tl.tensor) -> Any:
    """Return GELU as approximated with tanh, which here is the sigmoid of twice its argument."""
    return numbers * tl.sigmoid(1.5957691216057308 * (numbers + 0.044715 * numbers * numbers * numbers))


@kernel
def apply(  # noqa: PLR0913, PLR0917  # a kernel is handed every array by itself
    numbers: tl.tensor,
    first_weights: tl.tensor,
    first_bias: tl.tensor,
    other_weights: tl.tensor,
    other_bias: tl.tensor,
    results: tl.tensor,
    num_first: tl.tensor,
    num_rows: tl.tensor,
    num_columns: tl.constexpr,
    depth: tl.constexpr,
    has_gelu: tl.constexpr,
    block_rows: tl.constexpr,
    block_columns: tl.constexpr,
    block_depth: tl.constexpr,
) -> None:
    """Multiply rows by weights and add the bias; the first rows have weights and a bias of their own."""
    is_first, rows, end = take_rows(num_first, num_rows, block_rows)
    columns = tl.program_id(0) * block_columns + tl.arange(0, block_columns)
    # What lies outside is computed from the last row or column instead, and not stored.
    left = numbers + tl.minimum(rows, end - 1) * depth
    held = tl.minimum(columns, num_columns - 1)
    right = tl.where(is_first, first_weights, other_weights) + held * depth
    sums = multiply(left, right, depth, block_rows, block_columns, block_depth)
    sums += tl.load(tl.where(is_first, first_bias, other_bias) + held)[None, :].to(tl.float32)
    if has_gelu:
        sums = gelu(sums)
    is_inside = (rows < end)[:, None] & (columns < num_columns)[None, :]
    tl.store(
        results + rows[:, None] * num_columns + columns[None, :], sums.to(results.dtype.element_ty), mask=is_inside
    )


@kernel
def sum_up(  # noqa: PLR0913, PLR0917
    numbers: tl.tensor,
    weights: tl.tensor,
    sums: tl.tensor,
    num_rows: tl.tensor,
    num_columns: tl.constexpr,
    depth: tl.constexpr,
    num_slices: tl.constexpr,
    block_rows: tl.constexpr,
    block_columns: tl.constexpr,
    block_depth: tl.constexpr,
) -> None:
    """Multiply a slice of rows by the same slice of weights; each slice has sums of its own, which others add up."""
    part = tl.program_id(2)
    rows = tl.program_id(1) * block_rows + tl.arange(0, block_rows)
    columns = tl.program_id(0) * block_columns + tl.arange(0, block_columns)
    slice_depth: tl.constexpr = depth // num_slices
    left = numbers + tl.minimum(rows, num_rows - 1) * depth + part * slice_depth
    right = weights + tl.minimum(columns, num_columns - 1) * depth + part * slice_depth
    found = multiply(left, right, slice_depth, block_rows, block_columns, block_depth)
    is_inside = (rows < num_rows)[:, None] & (columns < num_columns)[None, :]
    places = sums + (part * num_rows + rows[:, None]) * num_columns + columns[None, :]
    tl.store(places, found, mask=is_inside)


@kernel
def answer(  # noqa: PLR0913, PLR0917
    hidden: tl.tensor,
    value_weights: tl.tensor,
    value_bias: tl.tensor,
    policy_weights: tl.tensor,
    policy_bias: tl.tensor,
    reward_weights: tl.tensor,
    reward_bias: tl.tensor,
    latent_weights: tl.tensor,
    latent_bias: tl.tensor,
    answers: tl.tensor,
    num_first: tl.tensor,
    num_rows: tl.tensor,
    num_bins: tl.constexpr,
    num_actions: tl.constexpr,
    embed: tl.constexpr,
    depth: tl.constexpr,
    block_rows: tl.constexpr,
    block_columns: tl.constexpr,
    block_depth: tl.constexpr,
) -> None:
    """Write the answers of the last layers of both heads, the bins first; the first rows are of latents.

    In a row of `hidden` lies what the first answer is made of, then what the second one is made of. In a row of
    `answers` the second one begins with a tile of its own.
    """
    is_first, rows, end = take_rows(num_first, num_rows, block_rows)
    tile = tl.program_id(0)
    num_bin_tiles = (num_bins + block_columns - 1) // block_columns
    is_second = tile >= num_bin_tiles
    columns = tl.where(is_second, tile - num_bin_tiles, tile) * block_columns + tl.arange(0, block_columns)
    num_columns = tl.where(is_second, tl.where(is_first, num_actions, embed), num_bins)
    if tl.min(columns, axis=0) < num_columns:
        left = hidden + tl.minimum(rows, end - 1) * 2 * depth + tl.where(is_second, depth, 0)
        held = tl.minimum(columns, num_columns - 1)
        weights = tl.where(
            is_second,
            tl.where(is_first, policy_weights, latent_weights),
            tl.where(is_first, value_weights, reward_weights),
        )
        bias = tl.where(
            is_second, tl.where(is_first, policy_bias, latent_bias), tl.where(is_first, value_bias, reward_bias)
        )
        sums = multiply(left, weights + held * depth, depth, block_rows, block_columns, block_depth)
        sums += tl.load(bias + held)[None, :].to(tl.float32)
        places = tile * block_columns + tl.arange(0, block_columns)
        width = tl.num_programs(0) * block_columns
        is_inside = (rows < end)[:, None] & (columns < num_columns)[None, :]
        tl.store(answers + rows[:, None] * width + places[None, :], sums, mask=is_inside)
