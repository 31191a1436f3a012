"""A copy of a network in which every weight matters: what kernels and engines are tried on."""

from copy import deepcopy

import torch

from kvzero.model import Network

__all__ = ["copy_with_noise"]


def copy_with_noise(network: Network) -> Network:
    """Return a copy whose weights differ from the network's at random, the same way every time.

    New heads answer zero to everything, so that no two ways to compute would differ.
    """
    with torch.inference_mode(mode=False), torch.no_grad():
        noisy = deepcopy(network)
        noise = torch.Generator(network.device).manual_seed(0)
        for weights in noisy.parameters():
            drawn = torch.randn(weights.shape, generator=noise, device=weights.device, dtype=torch.float32)
            weights.add_(drawn * weights.shape[-1] ** -0.5)
    return noisy
