"""Scalars to two-hot and back: exact over the support, clipped beyond it, equal to a slow twin."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kvzero.model import Support, compress, decompress

SIZES = st.sampled_from([3, 5, 101, 601])
SCALARS = st.floats(-1e6, 1e6, width=32)


def slow_compress(scalar: float) -> float:
    return math.copysign(math.sqrt(abs(scalar) + 1) - 1, scalar) + 0.001 * scalar


def slow_encode(scalar: float, size: int) -> list[float]:
    limit = size // 2
    place = min(max(slow_compress(scalar), -limit), limit)
    return [max(0.0, 1 - abs(place - number)) for number in range(-limit, limit + 1)]


@given(SCALARS)
def test_compress_is_the_formula(scalar):
    assert compress(torch.tensor(scalar, dtype=torch.float64)).item() == pytest.approx(slow_compress(scalar), rel=1e-9)


@given(SCALARS)
def test_expand_undoes_compress(scalar):
    exact = torch.tensor(scalar, dtype=torch.float64)
    assert decompress(compress(exact)).item() == pytest.approx(scalar, rel=1e-9, abs=1e-9)
    assert decompress(compress(exact.float())).item() == pytest.approx(scalar, rel=1e-5, abs=1e-5)


@given(SCALARS)
def test_compress_and_expand_are_odd(scalar):
    number = torch.tensor(scalar)
    assert torch.equal(compress(-number), -compress(number))
    assert torch.equal(decompress(-number), -decompress(number))


@given(size=SIZES, scalars=st.lists(SCALARS, min_size=1, max_size=7))
def test_encode_equals_its_slow_twin(size, scalars):
    encoded = Support(size).encode(torch.tensor(scalars))
    wanted = torch.tensor([slow_encode(scalar, size) for scalar in scalars])
    torch.testing.assert_close(encoded, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("scalar", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_passed_on_and_what_is_infinite_is_clipped(scalar):
    encoded = Support(5).encode(torch.tensor([scalar, 0.0]))
    wanted = {math.nan: [math.nan] * 5, math.inf: [0, 0, 0, 0, 1], -math.inf: [1, 0, 0, 0, 0]}[scalar]
    torch.testing.assert_close(encoded, torch.tensor([wanted, [0, 0, 1, 0, 0]]).float(), equal_nan=True)


@given(size=SIZES, scalar=SCALARS)
def test_two_neighbouring_bins_share_a_whole(size, scalar):
    encoded = Support(size).encode(torch.tensor(scalar))
    places = encoded.nonzero().flatten().tolist()
    assert encoded.min() >= 0
    assert encoded.sum().item() == pytest.approx(1.0, abs=1e-6)
    assert len(places) == 1 or places == [places[0], places[0] + 1]


@given(size=SIZES, scalars=st.lists(SCALARS, min_size=2, max_size=7))
def test_its_entropy_is_that_of_what_it_encodes(size, scalars):
    support, exact = Support(size), torch.tensor(scalars)
    wanted = -torch.xlogy(support.encode(exact), support.encode(exact)).sum(-1)
    torch.testing.assert_close(support.entropy(exact), wanted, rtol=1e-5, atol=1e-6)
    assert support.entropy(exact).max() <= math.log(2) + 1e-6


@given(size=SIZES, share=st.floats(-1, 1, width=32))
def test_decode_undoes_encode_over_the_whole_support(size, share):
    support = Support(size)
    scalar = decompress(share * support.bins[-1])
    decoded = support.decode(support.encode(scalar).log())
    torch.testing.assert_close(decoded, scalar, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [101, 601])
def test_a_value_of_100_stays_100(size):
    support = Support(size)
    assert support.decode(support.encode(torch.tensor(100.0)).log()).item() == pytest.approx(100, abs=1e-3)


@pytest.mark.parametrize(("scalar", "place"), [(1e9, -1), (-1e9, 0)])
def test_what_lies_beyond_the_support_is_clipped_to_its_end(scalar, place):
    support = Support(7)
    encoded = support.encode(torch.tensor(scalar))
    assert encoded[place] == 1
    assert support.expect(encoded.log()) == math.copysign(3, scalar)


def test_expect_is_the_mean_bin_of_every_step():
    support = Support(5)
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    expected = support.expect(logits)
    for row in range(2):
        for step in range(3):
            weights = [math.exp(logit) for logit in logits[row, step].tolist()]
            mean = sum(number * weight for number, weight in zip(range(-2, 3), weights, strict=True)) / sum(weights)
            assert expected[row, step].item() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("size", [3, 101, 601])
def test_equal_logits_stand_for_zero(size):
    assert Support(size).decode(torch.zeros(size)).item() == pytest.approx(0, abs=1e-5)


def test_bins_and_answers_stay_exact_in_bfloat16_and_under_autocast():
    support = Support(601).to(torch.bfloat16)
    logits = torch.full((2, 3, 601), -30.0)
    logits[..., 557] = 0  # bin 257, which bfloat16 does not have
    wanted = torch.full((2, 3), 257.0)
    torch.testing.assert_close(support.expect(logits.bfloat16()), wanted)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(support.expect(logits), wanted)


def test_a_support_is_no_weight():
    assert not Support(5).state_dict()
