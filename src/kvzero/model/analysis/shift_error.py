"""How far `window="shift"` is from `window="rebuild"`, measured on given episodes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kvzero.cache import Window
from kvzero.errors import ConfigError
from kvzero.model.config import WindowSlide
from kvzero.model.network import Network
from kvzero.model.sliding import slide_window

__all__ = ["ShiftError", "shift_error"]


@dataclass(frozen=True, slots=True)
class ShiftError:
    """Differences between predictions through shifted windows and exact ones, by step of the episode."""

    values: Float[Tensor, "batch time"]
    """Absolute difference of the values, in the reward's units."""

    policies: Float[Tensor, "batch time"]
    """Total variation distance of the policies, from 0 (the same) to 1 (nothing in common)."""

    exact_values: Float[Tensor, "batch time"]
    """The values themselves, to hold their differences against."""

    first_slide: int
    """The step whose prediction is the first to be made from keys that have moved."""


@torch.no_grad()
def shift_error(
    network: Network, latents: Float[Tensor, "batch time embed"], actions: Int[Tensor, "batch time"]
) -> ShiftError:
    """Read episodes step by step through both kinds of windows and return how far they come apart.

    `latents[:, t]` is followed by `actions[:, t]`. The network's own `window` does not matter.

    Raises:
        ConfigError: if the network's positions are rotary, so that nothing ever moves.
    """
    if not network.config.layout.is_sliding:
        raise ConfigError("this network has rotary positions, and no window slides; measure one with positions=learned")
    exact_values, exact_policies = _read_steps(network, latents, actions, "rebuild")
    values, policies = _read_steps(network, latents, actions, "shift")
    return ShiftError(
        values=(values - exact_values).abs(),
        policies=(policies - exact_policies).abs().sum(-1) / 2,
        exact_values=exact_values,
        first_slide=network.config.context_tokens // 2,
    )


def _read_steps(
    network: Network, latents: Float[Tensor, "batch time embed"], actions: Int[Tensor, "batch time"], how: WindowSlide
) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch time action"]]:
    """Return value and policy at each step, from a window that slides like this."""
    batch, num_steps = actions.shape
    window, readings = _empty_window(network, batch), []
    for step in range(num_steps):
        window, positions = _move_on(window)
        taken = actions[:, max(step - 1, 0)]
        readings.append(network.extend_roots(taken, latents[:, step], positions, window))
        slide_window(network.transformer, window, how)
    policies = [reading.policy_logits.softmax(-1) for reading in readings]
    return torch.stack([reading.values for reading in readings], dim=1), torch.stack(policies, dim=1)


def _empty_window(network: Network, batch: int) -> Window:
    layout, weights = network.config.layout, network.action_table.weight
    places = layout.context_tokens + 2
    return Window(
        weights.new_zeros(batch, places, *layout.token_shape),
        torch.zeros(batch, places, dtype=torch.bool, device=weights.device),
        weights.new_zeros(batch, places, network.config.embed_dim),
    )


def _move_on(window: Window) -> tuple[Window, Int[Tensor, "batch 2"]]:
    """Return a window with room for the next two tokens, and their positions; an episode's first action is padding."""
    parts = [part for part in (window.keys_values, window.is_valid, window.tokens) if part is not None]
    keys_values, is_valid, tokens = (torch.cat([part[:, 2:], torch.zeros_like(part[:, :2])], dim=1) for part in parts)
    sizes = is_valid.sum(1)
    is_valid[:, -2] = sizes > 0
    is_valid[:, -1] = True
    first = torch.where(sizes > 0, sizes, -1)[:, None]
    return Window(keys_values, is_valid, tokens), torch.cat([first, first + 1], dim=1).clamp(min=0)
