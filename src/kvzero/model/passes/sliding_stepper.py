"""Evaluates new nodes as plainly as possible, and, where positions are learned, lets their windows slide."""

from jaxtyping import Float, Int, Shaped
from torch import Tensor

from kvzero.cache import Window
from kvzero.model.network import Network
from kvzero.model.passes.stepper import Expansion, NodeStepper

__all__ = ["SlidingStepper", "build_stepper", "expand_nodes"]


def expand_nodes(
    network: Network, actions: Int[Tensor, " batch"], positions: Int[Tensor, "batch 2"], window: Window
) -> Expansion:
    """Return the evaluation of nodes reached by `actions`; fill the last two places of `window`.

    It gives what `NodeStepper` gives, for any kind of positions, which must have been reserved.
    """

    def run(tokens: Float[Tensor, "batch embed"], which: int) -> Float[Tensor, "batch embed"]:
        end = window.keys_values.shape[1] - 1 + which
        return network.transformer.extend(tokens[:, None], positions[:, which, None], window, end=end)[:, 0]

    reward_logits, next_latents = network.action_head(run(network.action_table(actions), 0))
    latents = network.next_latent_norm(next_latents)
    value_logits, policy_logits = network.latent_head(run(latents, 1))
    decode = network.support.decode
    return Expansion(decode(reward_logits), decode(value_logits), policy_logits, latents)


class SlidingStepper:
    """Does what `NodeStepper` does, and leaves the window as it is to be kept: slid where it was full."""

    def __init__(self, network: Network) -> None:
        """Take a network whose positions are learned."""
        self._network = network

    def __call__(
        self, actions: Shaped[Tensor, "batch *action"], positions: Int[Tensor, "batch 2"], window: Window
    ) -> Expansion:
        """Return the evaluation of nodes reached by `actions`; fill the last two places of `window`, then slide it."""
        expansion = expand_nodes(self._network, actions, positions, window)
        self._network.slide(window)
        return expansion


def build_stepper(network: Network) -> NodeStepper | SlidingStepper:
    """Return what evaluates the nodes of one search with `network`."""
    return SlidingStepper(network) if network.config.layout.is_sliding else NodeStepper(network)
