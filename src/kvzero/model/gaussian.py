"""The policy over continuous actions: a Gaussian squashed into (-1, 1) by tanh, each number of an action by itself.

The policy head gives two raw numbers for each number of an action. They become mean and log-scale of a Gaussian over
`u`, and the action is `tanh(u)` (Haarnoja et al. 2018, appendix C).
"""

from dataclasses import dataclass
from math import log, pi, tanh

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["BOUNDS", "LARGEST", "Gaussian", "read_gaussian"]

MEAN_LIMIT = 3.0
"""Means over `u` stay below this: tanh(3) is 0.995."""

LOW_LOG_SCALE, HIGH_LOG_SCALE = -3.0, 1.0
"""Scales over `u` lie between e^-3 = 0.05 and e^1 = 2.7."""

FIRST_RAW_SCALE = log(3.0)
"""Added to the raw log-scale, so that a head that says 0 gives a scale of 1: nearly uniform actions."""

LARGEST = 4.0
"""Largest `|u|` that is drawn or scored. tanh(4) is 0.9993, of which float32 still knows the inverse to 4e-5; an action
of exactly 1 is scored as tanh(4)."""

BOUNDS = np.array([MEAN_LIMIT, LOW_LOG_SCALE, HIGH_LOG_SCALE, FIRST_RAW_SCALE, LARGEST], np.float32)
"""All of these, in the order in which the native engine reads them."""

NUM_QUADRATURE = 15

_PLACES, _WEIGHTS = (torch.from_numpy(column).float() for column in np.polynomial.hermite_e.hermegauss(NUM_QUADRATURE))


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Mean and log-scale of `u`, whose tanh is the action."""

    means: Float[Tensor, "*batch dim"]
    log_scales: Float[Tensor, "*batch dim"]

    @torch.no_grad()
    def draw(self, noise: Float[Tensor, "*batch action dim"]) -> Float[Tensor, "*batch action dim"]:
        """Return the actions that standard normal `noise` stands for, without gradients."""
        numbers = self.means[..., None, :] + self.log_scales.exp()[..., None, :] * noise
        numbers = numbers.clamp(-LARGEST, LARGEST)
        if numbers.device.type == "cpu":
            # PyTorch's tanh shares even a few numbers among threads, which then spin on cores that a search needs.
            return torch.from_numpy(np.tanh(numbers.numpy()))
        return numbers.tanh()

    def log_density(self, actions: Float[Tensor, "*batch action dim"]) -> Float[Tensor, "*batch action"]:
        """Return the logarithm of the density of each action, finite for every action from -1 to 1."""
        limit = tanh(LARGEST)
        numbers = actions.float().clamp(-limit, limit).atanh()
        log_scales = self.log_scales[..., None, :]
        distances = (numbers - self.means[..., None, :]) * (-log_scales).exp()
        densities = -0.5 * distances.square() - log_scales - 0.5 * log(2 * pi) - _log_slope(numbers)
        return densities.sum(-1)

    def entropy(self) -> Float[Tensor, "*batch"]:
        """Return the differential entropy of the action in nats.

        It is the Gaussian's own plus the mean of the logarithm of tanh's slope, by Gauss-Hermite quadrature.
        """
        places, weights = _PLACES.to(self.means.device), _WEIGHTS.to(self.means.device)
        numbers = self.means[..., None] + self.log_scales.exp()[..., None] * places
        slopes = (_log_slope(numbers) * weights).sum(-1) / weights.sum()
        return (self.log_scales + 0.5 * log(2 * pi) + 0.5 + slopes).sum(-1)


def read_gaussian(policies: Float[Tensor, "*batch policy"]) -> Gaussian:
    """Return what the raw numbers of the policy head mean: first all means, then all log-scales, both bounded."""
    raw_means, raw_scales = policies.float().chunk(2, dim=-1)
    means = MEAN_LIMIT * (raw_means / MEAN_LIMIT).tanh()
    share = (raw_scales + FIRST_RAW_SCALE).sigmoid()
    return Gaussian(means, LOW_LOG_SCALE + (HIGH_LOG_SCALE - LOW_LOG_SCALE) * share)


def _log_slope(numbers: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return `log(1 - tanh(u)^2)` without the difference, which would be 0 for large `u`."""
    return 2 * (log(2.0) - numbers - functional.softplus(-2 * numbers))
