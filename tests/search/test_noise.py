"""The noise on root priors: a Dirichlet distribution over the legal actions, whatever its concentration."""

import numpy as np
import pytest

from kvzero.search.noise import add_noise, draw_tie_keys


def mixed(priors: list[float], masks: list[bool], *, alpha: float, weight: float, rows: int = 1) -> np.ndarray:
    noisy = np.tile(np.array(priors), (rows, 1))
    add_noise(noisy, np.tile(np.array(masks), (rows, 1)), alpha=alpha, weight=weight, rng=np.random.default_rng(0))
    return noisy


@pytest.mark.parametrize("alpha", [1e-6, 0.001, 0.3, 40.0])
def test_noisy_priors_are_probabilities_of_legal_actions(alpha: float) -> None:
    noisy = mixed([0.2, 0.0, 0.8], [True, False, True], alpha=alpha, weight=0.25, rows=500)
    np.testing.assert_allclose(noisy.sum(axis=1), 1.0)
    assert not noisy[:, 1].any()
    assert (noisy[:, 0] >= 0.15).all()
    assert (noisy[:, 2] >= 0.6).all()


def test_noise_of_weight_0_changes_nothing() -> None:
    priors = [0.1, 0.7, 0.2]
    assert mixed(priors, [True] * 3, alpha=0.3, weight=0.0).tolist() == [priors]


@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_noise_has_the_moments_of_the_dirichlet_distribution(alpha: float) -> None:
    noise = mixed([1.0, 0.0, 0.0, 0.0], [True, True, False, True], alpha=alpha, weight=1.0, rows=40_000)
    legal = noise[:, [0, 1, 3]]
    np.testing.assert_allclose(legal.mean(axis=0), 1 / 3, atol=0.01)
    np.testing.assert_allclose(legal.var(axis=0), (1 / 3) * (2 / 3) / (3 * alpha + 1), atol=0.005)


def test_a_single_legal_action_keeps_all_of_the_prior() -> None:
    assert mixed([0.0, 1.0], [False, True], alpha=0.3, weight=0.5).tolist() == [[0.0, 1.0]]


def test_no_two_keys_are_alike() -> None:
    assert len(np.unique(draw_tie_keys((2, 3, 4), np.random.default_rng(0)))) == 24
