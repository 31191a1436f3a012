"""Slips come as often as was asked, evenly over what is legal, and leave alone what was chosen elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvzero.agent import slip

MANY = 20_000


def test_without_slips_searches_are_obeyed_and_no_number_is_drawn():
    rng, chosen = np.random.default_rng(3), np.array([2, 1])
    assert slip(chosen, np.ones((2, 3), bool), epsilon=0.0, rng=rng) is chosen
    assert rng.bit_generator.state == np.random.default_rng(3).bit_generator.state


@pytest.mark.parametrize("epsilon", [0.2, 1.0])
def test_slips_are_even_over_the_legal_actions(epsilon):
    chosen, masks = np.full(MANY, 2), np.tile([True, False, True, True], (MANY, 1))
    played = slip(chosen, masks, epsilon=epsilon, rng=np.random.default_rng(0))
    shares = np.bincount(played, minlength=4) / MANY
    np.testing.assert_allclose(shares, [epsilon / 3, 0, 1 - epsilon * 2 / 3, epsilon / 3], atol=0.01)
    assert (chosen == 2).all(), "what the search chose is not written over"
    assert played.dtype == chosen.dtype


def test_vectors_slip_whole_and_evenly_from_minus_one_to_one():
    chosen = np.full((MANY, 2), 0.5, np.float32)
    played = slip(chosen, np.ones((MANY, 0), bool), epsilon=0.25, rng=np.random.default_rng(0))
    slips = (played != chosen).any(axis=1)
    assert played.dtype == np.float32
    assert 0.24 < slips.mean() < 0.26
    assert (played[slips] != 0.5).all()
    np.testing.assert_allclose(np.histogram(played[slips], 4, (-1, 1))[0] / slips.sum() / 2, 0.25, atol=0.02)


@given(masks=st.lists(st.lists(st.booleans(), min_size=4, max_size=4).filter(any), min_size=1), seed=st.integers(0, 99))
def test_nothing_illegal_is_played(masks, seed):
    masks = np.array(masks)
    everyone = np.arange(len(masks))
    chosen = masks.argmax(axis=1)
    assert masks[everyone, slip(chosen, masks, epsilon=0.9, rng=np.random.default_rng(seed))].all()
