"""Rotary positions: relative, precise far out, and safe to grow anywhere."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kvzero.model.positions.rotary import FIRST_TABLE_TOKENS, Rotary, rotate

HEAD_DIM = 6
TOKENS = st.integers(0, 900)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def turn(rotary: Rotary, vectors: torch.Tensor, tokens: list[int]) -> torch.Tensor:
    return rotate(vectors, rotary(torch.tensor([tokens])))


def slow_turn(vector: torch.Tensor, token: int) -> torch.Tensor:
    """Rotate pairs as complex numbers in float64."""
    half = len(vector) // 2
    pairs = torch.complex(vector[:half].double(), vector[half:].double())
    angles = token * 10_000.0 ** -(2 * torch.arange(half, dtype=torch.float64) / len(vector))
    turned = pairs * torch.polar(torch.ones(half, dtype=torch.float64), angles)
    return torch.cat([turned.real, turned.imag])


@pytest.mark.parametrize("token", [0, 1, 7, 1023, 50_000])
def test_rotation_is_as_precise_far_out_as_near(token):
    rotary, vectors = Rotary(HEAD_DIM), draw(1, 1, 2, 4, HEAD_DIM)
    rotary.reserve(token + 1)
    turned = turn(rotary, vectors, [token])
    for which in range(2):
        for head in range(4):
            wanted = slow_turn(vectors[0, 0, which, head], token).float()
            torch.testing.assert_close(turned[0, 0, which, head], wanted, atol=5e-7, rtol=0)


@given(query=TOKENS, key=TOKENS, shift=TOKENS)
def test_products_depend_on_the_difference_of_positions_only(query, key, shift):
    rotary, vectors = Rotary(HEAD_DIM), draw(1, 1, 2, 1, HEAD_DIM)
    rotary.reserve(2000)

    def product(query: int, key: int) -> torch.Tensor:
        return (turn(rotary, vectors, [query])[0, 0, 0] * turn(rotary, vectors, [key])[0, 0, 1]).sum()

    torch.testing.assert_close(product(query, key), product(query + shift, key + shift), atol=1e-5, rtol=0)
    assert (product(query, key) - product(query, key + 1)).abs() > 1e-4


def test_every_token_of_every_row_turns_by_its_own_position():
    rotary, vectors = Rotary(HEAD_DIM), draw(3, 5, 2, 4, HEAD_DIM)
    positions = torch.tensor([[0, 1, 2, 3, 4], [9, 8, 7, 6, 5], [100, 0, 50, 0, 1000]])
    turned = rotate(vectors, rotary(positions))
    for row in range(3):
        for token in range(5):
            wanted = slow_turn(vectors[row, token, 1, 2], int(positions[row, token])).float()
            torch.testing.assert_close(turned[row, token, 1, 2], wanted, atol=1e-6, rtol=0)


def test_the_table_covers_what_was_reserved_and_keeps_what_it_had():
    rotary = Rotary(HEAD_DIM)
    before = rotary.table
    rotary.reserve(FIRST_TABLE_TOKENS)
    assert rotary.table is before
    rotary.reserve(FIRST_TABLE_TOKENS + 1)
    rotary(torch.tensor([FIRST_TABLE_TOKENS]))
    assert torch.equal(rotary.table[:FIRST_TABLE_TOKENS], before)
    grown = rotary.table
    rotary.reserve(7)
    assert rotary.table is grown


def test_a_table_grown_in_inference_mode_serves_training_afterwards():
    rotary = Rotary(HEAD_DIM)
    with torch.inference_mode():
        rotary.reserve(5000)
    assert not rotary.table.is_inference()
    vectors = draw(1, 1, 2, 4, HEAD_DIM).requires_grad_()
    turn(rotary, vectors, [4999]).sum().backward()
    assert vectors.grad.abs().sum() > 0


def test_positions_stay_exact_when_the_weights_become_bfloat16():
    rotary = Rotary(HEAD_DIM)
    before = rotary.table
    assert torch.equal(rotary.to(torch.bfloat16).table, before)
    vectors = draw(1, 1, 2, 4, HEAD_DIM).bfloat16()
    turned = turn(rotary, vectors, [257])
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, turn(rotary, vectors.float(), [257]).bfloat16())


def test_the_table_is_no_weight():
    assert not Rotary(HEAD_DIM).state_dict()
