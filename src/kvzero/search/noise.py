"""What chance may do in a search: Dirichlet noise on the root priors, and which of several equal scores wins."""

import numpy as np
from jaxtyping import Bool, Float32, Float64

__all__ = ["add_noise", "draw_noise", "draw_tie_keys"]


def add_noise(
    priors: Float64[np.ndarray, "env action"],
    action_masks: Bool[np.ndarray, "env action"],
    *,
    alpha: float,
    weight: float,
    rng: np.random.Generator,
) -> None:
    """Mix `weight` parts of Dirichlet(alpha) noise over the legal actions into `priors`, in place (AlphaZero, 2017)."""
    noise = draw_noise(action_masks, alpha, rng)
    priors[:] = (1.0 - weight) * priors + weight * noise


def draw_tie_keys(shape: tuple[int, ...], rng: np.random.Generator) -> Float32[np.ndarray, "env node action"]:
    """Return a random key for each action of each node, the highest of which wins a tie."""
    return rng.random(shape, np.float32)


def draw_noise(
    action_masks: Bool[np.ndarray, "env action"], alpha: float, rng: np.random.Generator
) -> Float64[np.ndarray, "env action"]:
    """Draw a probability for each legal action, 0 for the others.

    Normalised gamma variates are Dirichlet. They are drawn as logarithms, since small ones underflow: a variate of
    shape alpha is one of shape alpha + 1 times U^(1 / alpha) with U uniform (Stuart 1962).
    """
    shape = action_masks.shape
    log_gammas = np.log(rng.standard_gamma(alpha + 1.0, shape)) - rng.standard_exponential(shape) / alpha
    log_gammas[~action_masks] = -np.inf
    gammas = np.exp(log_gammas - log_gammas.max(axis=1, keepdims=True))
    noise: Float64[np.ndarray, "env action"] = gammas / gammas.sum(axis=1, keepdims=True)
    return noise
