"""One-pass expansion: a node's latent token and the tokens of all its actions pass through the network together."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from kvzero.cache import Window
from kvzero.model.network import Network

__all__ = ["ActionReadings", "NodeReadings", "OnePassStepper", "PassLayout", "lay_out_pass"]


@dataclass(frozen=True, slots=True)
class ActionReadings:
    """What the network says of every action at one node per row."""

    rewards: Float[Tensor, "row action"]
    latents: Float[Tensor, "row action embed"]


@dataclass(frozen=True, slots=True)
class NodeReadings:
    """What the network says of one new node per row, and of every action there."""

    values: Float[Tensor, " row"]
    policy_logits: Float[Tensor, "row action"]
    actions: ActionReadings


@dataclass(frozen=True, slots=True)
class PassLayout:
    """How the tokens of a pass lie; made once, as numbers that come from the host have no place in a recording."""

    offsets: Int64[Tensor, " token"]
    """Token indices of latent and actions, counted from that of the latent."""

    mask: Bool[Tensor, "token place"]
    """Which places of a window the latent and each action attend to."""


def lay_out_pass(context_tokens: int, num_actions: int, *, device: torch.device) -> PassLayout:
    """Return the layout of passes in contexts of `C` tokens: one place for each of them, then one for each action."""
    offsets = torch.ones(1 + num_actions, dtype=torch.int64, device=device)
    offsets[0] = 0
    mask = torch.zeros(1 + num_actions, context_tokens + num_actions, dtype=torch.bool, device=device)
    mask[:, :context_tokens] = True
    mask[1:, 0] = False  # one token further on, the oldest one has left the context
    mask[1:, context_tokens:] = torch.eye(num_actions, dtype=torch.bool, device=device)
    return PassLayout(offsets, mask)


class OnePassStepper:
    """Evaluates nodes together with all their actions; windows are those of `OnePassContexts`.

    The tokens of a pass attend as a tree: the latent to `C - 1` tokens before it, each action to `C - 2` of them and
    the latent, and every token to itself. No action sees another. So each computes what it would compute alone, and
    what lies below an action is ready before a search goes there: one pass per simulation waits for the one before,
    where `NodeStepper` makes two. It costs `1 + A` tokens in place of 2.
    """

    def __init__(self, network: Network, layout: PassLayout) -> None:
        self._network = network
        self._layout = layout

    def expand_roots(self, positions: Int64[Tensor, " row"], window: Window) -> ActionReadings:
        """Read all actions at roots, whose latent tokens are in the window and have these token indices."""
        tokens = self._embed_actions(len(positions))
        return self._read_actions(self._pass(tokens, positions, window))

    def __call__(
        self, latents: Float[Tensor, "row embed"], positions: Int64[Tensor, " row"], window: Window
    ) -> NodeReadings:
        """Read new nodes with these latents, which have these token indices; fill their places in the window."""
        tokens = torch.cat([latents[:, None], self._embed_actions(len(latents))], dim=1)
        outputs = self._pass(tokens, positions, window)
        value_logits, policy_logits = self._network.latent_head(outputs[:, 0])
        values = self._network.support.decode(value_logits)
        return NodeReadings(values, policy_logits, self._read_actions(outputs[:, 1:]))

    def _embed_actions(self, num_rows: int) -> Float[Tensor, "row action embed"]:
        return self._network.action_table.weight.expand(num_rows, -1, -1)  # actions are numbered

    def _read_actions(self, outputs: Float[Tensor, "row action embed"]) -> ActionReadings:
        reward_logits, next_latents = self._network.action_head(outputs)
        return ActionReadings(self._network.support.decode(reward_logits), self._network.next_latent_norm(next_latents))

    def _pass(
        self, tokens: Float[Tensor, "row token embed"], positions: Int64[Tensor, " row"], window: Window
    ) -> Float[Tensor, "row token embed"]:
        """Pass tokens, of which the last ones are the actions, and put their keys and values into the last places."""
        num_new, transformer = tokens.shape[1], self._network.transformer
        rotation = transformer.positions(positions[:, None] + self._layout.offsets[-num_new:])
        mask = self._layout.mask[None, None, -num_new:]
        if window.is_valid is not None:
            mask = mask & window.is_valid[:, None, None, :]
        for layer, block in enumerate(transformer.layers):
            tokens = block.extend(tokens, rotation, window.keys_values[:, :, layer], mask)
        passed: Tensor = transformer.final_norm(tokens)
        return passed
