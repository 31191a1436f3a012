"""Evaluates new nodes where positions are learned: two tokens per environment, then the window slides."""

from jaxtyping import Float, Int, Shaped
from torch import Tensor

from kvzero.cache import Window
from kvzero.model.network import Network
from kvzero.model.stepper import Expansion, NodeStepper

__all__ = ["SlidingStepper", "build_stepper"]


class SlidingStepper:
    """Does what `NodeStepper` does, and leaves the window as it is to be kept: slid where it was full."""

    def __init__(self, network: Network) -> None:
        """Take a network whose positions are learned."""
        self._network = network

    def __call__(
        self, actions: Shaped[Tensor, "batch *action"], positions: Int[Tensor, "batch 2"], window: Window
    ) -> Expansion:
        """Return the evaluation of nodes reached by `actions`; fill the last two places of `window`, then slide it."""
        network = self._network
        reward_logits, next_latents = network.action_head(
            self._pass(network.action_table(actions), positions, window, 0)
        )
        latents = network.next_latent_norm(next_latents)
        value_logits, policy_logits = network.latent_head(self._pass(latents, positions, window, 1))
        network.slide(window)
        decode = network.support.decode
        return Expansion(decode(reward_logits), decode(value_logits), policy_logits, latents)

    def _pass(
        self, tokens: Float[Tensor, "batch embed"], positions: Int[Tensor, "batch 2"], window: Window, which: int
    ) -> Float[Tensor, "batch embed"]:
        """Pass one token per environment; `which` is 0 for the action token, 1 for the latent."""
        end = window.keys_values.shape[1] - 1 + which
        outputs = self._network.transformer.extend(tokens[:, None], positions[:, which, None], window, end=end)
        return outputs[:, 0]


def build_stepper(network: Network) -> NodeStepper | SlidingStepper:
    """Return what evaluates the nodes of one search with `network`."""
    return SlidingStepper(network) if network.config.layout.is_sliding else NodeStepper(network)
