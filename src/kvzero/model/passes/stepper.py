"""The hot path of search: two tokens per environment through the network, with as little Python as PyTorch allows.

It computes what `Transformer.extend` and the heads compute. Weights and the views of the window are looked up once per
search instead of once per simulation: for small networks, looking up costs as much as computing.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from kvzero.cache import Window
from kvzero.model.network import Network
from kvzero.model.passes.weights import HeadWeights, look_up_weights

__all__ = ["Expansion", "NodeStepper"]


@dataclass(frozen=True, slots=True)
class Expansion:
    """What the network says of one new node per environment."""

    rewards: Float[Tensor, " batch"]
    values: Float[Tensor, " batch"]
    policy_logits: Float[Tensor, "batch policy"]
    latents: Float[Tensor, "batch embed"]


class _Places(NamedTuple):
    """One layer's window as one new token sees it: where its key and value go, and all that it attends to."""

    new_key: Tensor  # [batch, head, head_dim]
    new_value: Tensor  # [batch, head, head_dim]
    keys: Tensor  # [batch, head, slot, head_dim]
    values: Tensor  # [batch, head, slot, head_dim]


class NodeStepper:
    """Evaluates one new node per environment: its action token first, then the latent which that one predicts.

    Make one per search; it must not outlive a change of the network's device or number type.
    """

    def __init__(self, network: Network) -> None:
        """Look up the network's weights."""
        self._network = network
        self._embed_dim = network.config.embed_dim
        self._num_heads = network.config.num_heads
        self._half = self._embed_dim // self._num_heads // 2
        self._context = network.config.context_tokens
        self._weights = look_up_weights(network)
        self._bound: Tensor | None = None

    def __call__(
        self, actions: Shaped[Tensor, "batch *action"], positions: Int[Tensor, "batch 2"], window: Window
    ) -> Expansion:
        """Return the evaluation of nodes reached by `actions`; fill the last two places of `window`.

        `positions` are the token indices of the action and the latent; they must have been reserved.
        """
        if self._bound is not window.keys_values:
            self._bind(window.keys_values)
        network = self._network
        rotation = network.transformer.positions(positions)[:, :, :, None, None]  # [batch, token, 2, 1, 1, head_dim]
        output = self._pass(network.action_table(actions), rotation[:, 0], window, 0)
        reward_logits, next_latents = _read(self._weights.action_head, output)
        latents = network.next_latent_norm(next_latents)
        output = self._pass(latents, rotation[:, 1], window, 1)
        value_logits, policy_logits = _read(self._weights.latent_head, output)
        rewards, values = network.support.decode(torch.stack([reward_logits, value_logits])).unbind()
        return Expansion(rewards, values, policy_logits, latents)

    def _bind(self, keys_values: Float[Tensor, "batch slot layer 2 head head_dim"]) -> None:
        """Cut the window into what each of the two tokens sees of each layer."""
        self._bound = keys_values
        self._places = [
            [_cut(keys_values[:, :, layer], end, self._context) for layer in range(len(self._weights.layers))]
            for end in (keys_values.shape[1] - 1, keys_values.shape[1])
        ]

    def _pass(
        self,
        tokens: Float[Tensor, "batch embed"],
        rotation: Float[Tensor, "batch 2 1 1 head_dim"],
        window: Window,
        which: int,
    ) -> Float[Tensor, "batch embed"]:
        """Pass one token per environment through all layers; `which` is 0 for the action token, 1 for the latent."""
        cosine, sine = rotation.unbind(1)
        mask = None
        if window.is_valid is not None:
            end = window.is_valid.shape[1] - 1 + which
            mask = window.is_valid[:, None, None, end - self._context : end]
        for layer, places in zip(self._weights.layers, self._places[which], strict=True):
            normed = torch.layer_norm(tokens, (self._embed_dim,), *layer.attention_norm)
            projected = functional.linear(normed, *layer.project).view(len(tokens), 3, self._num_heads, -1)
            pair = projected[:, :2]
            turned = torch.addcmul(pair * cosine, pair.roll(self._half, -1), sine)
            places.new_key.copy_(turned[:, 1])
            places.new_value.copy_(projected[:, 2])
            query = turned[:, 0, :, None].to(tokens.dtype)
            mixed = functional.scaled_dot_product_attention(query, places.keys, places.values, attn_mask=mask)
            tokens = tokens + functional.linear(mixed.reshape(len(tokens), -1), *layer.merge)
            normed = torch.layer_norm(tokens, (self._embed_dim,), *layer.mlp_norm)
            wide = functional.gelu(functional.linear(normed, *layer.widen), approximate="tanh")
            tokens = tokens + functional.linear(wide, *layer.narrow)
        return torch.layer_norm(tokens, (self._embed_dim,), *self._weights.final_norm)


def _cut(layer: Float[Tensor, "batch slot 2 head head_dim"], end: int, context_tokens: int) -> _Places:
    visible = layer[:, end - context_tokens : end]
    keys, values = visible[:, :, 0].transpose(1, 2), visible[:, :, 1].transpose(1, 2)
    return _Places(layer[:, end - 1, 0], layer[:, end - 1, 1], keys, values)


def _read(head: HeadWeights, tokens: Float[Tensor, "batch embed"]) -> tuple[Tensor, Tensor]:
    first, second = head.hide(tokens)
    return functional.linear(first, *head.first), functional.linear(second, *head.second)
