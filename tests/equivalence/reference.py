"""The obvious way to evaluate a path: one uncached forward over all of its tokens."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kvzero.model import Network

Action = int | np.ndarray


@dataclass
class Path:
    """The tokens of one environment's episode, then of a path below its root."""

    network: Network
    latents: list[Tensor] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    def see(self, observation: np.ndarray, action: Action | None) -> None:
        """Add the action that was taken, if any, and the observation after it."""
        if action is not None:
            self.actions.append(action)
        self.latents.append(self.network.encode(torch.from_numpy(observation)[None].to(self.network.device))[0])

    def fork(self) -> "Path":
        return Path(self.network, list(self.latents), list(self.actions))

    def read(self) -> tuple[Tensor, Tensor]:
        """Return value and policy logits at the newest latent token."""
        outputs = self._forward()
        value_logits, policy_logits = self.network.latent_head(outputs[-1])
        return self.network.support.decode(value_logits), policy_logits

    def step(self, action: Action) -> tuple[Tensor, Tensor]:
        """Append an action and the latent it leads to; return its reward and that latent."""
        self.actions.append(action)
        outputs = self._forward()
        reward_logits, next_latent = self.network.action_head(outputs[-1])
        self.latents.append(self.network.next_latent_norm(next_latent))
        return self.network.support.decode(reward_logits), self.latents[-1]

    def keys_values(self) -> Tensor:
        """Return what a cache may hold of all tokens: `[token, layer, 2, head, head_dim]`, keys turned."""
        kept: list[Tensor] = []
        self._forward(kept)
        return torch.stack(kept, dim=1)

    def _forward(self, kept: list[Tensor] | None = None) -> Tensor:
        """Return the outputs of all tokens: attention written out, without cache or mask function.

        Keys and values of every layer are added to `kept`.
        """
        network, config = self.network, self.network.config
        tokens = []
        for index, latent in enumerate(self.latents):
            tokens.append(latent)
            if index < len(self.actions):
                tokens.append(action_token(network, self.actions[index]))
        stream = torch.stack(tokens)
        turned = turn
        if config.positions == "learned":  # over the newest tokens alone, counted from 0; a pair has one window
            stream = stream[1 - config.context_tokens + (len(self.actions) == len(self.latents)) :]
            stream = stream + network.transformer.positions.table.weight[: len(stream)]
            turned = torch.Tensor.contiguous
        for block in network.transformer.blocks:
            projected = block.attention.project(block.attention_norm(stream)).view(len(stream), 3, config.num_heads, -1)
            query, key, value = turned(projected[:, 0]), turned(projected[:, 1]), projected[:, 2]
            if kept is not None:
                kept.append(torch.stack([key, value], dim=1))
            scores = torch.einsum("ihd,jhd->hij", query, key) / query.shape[-1] ** 0.5
            for place in range(len(stream)):
                scores[:, place, place + 1 :] = -torch.inf
                scores[:, place, : max(0, place - config.context_tokens + 1)] = -torch.inf
            mixed = torch.einsum("hij,jhd->ihd", scores.softmax(-1), value)
            stream = stream + block.attention.merge(mixed.flatten(1))
            stream = stream + block.mlp(block.mlp_norm(stream))
        return network.transformer.final_norm(stream)


def action_token(network: Network, action: Action) -> Tensor:
    """Return a row of the table, or a projection normalised in groups of eight or as a whole."""
    weight = network.action_table.weight
    if not network.spec.is_continuous:
        return weight[action]
    projected = weight @ torch.as_tensor(action).to(weight) + network.action_table.bias
    if network.config.latent_norm == "layernorm":
        return (projected - projected.mean()) / (projected.var(correction=0) + 1e-5).sqrt()
    return torch.cat([group.softmax(0) for group in projected.split(8)])


def turn(vectors: Tensor) -> Tensor:
    """Rotate pairs of numbers by the index of their token, as complex numbers in float64."""
    num_tokens, _, width = vectors.shape
    pairs = torch.complex(vectors[..., : width // 2].double(), vectors[..., width // 2 :].double())
    speeds = 10_000.0 ** -(torch.arange(width // 2, dtype=torch.float64, device=vectors.device) * 2 / width)
    angles = torch.arange(num_tokens, dtype=torch.float64, device=vectors.device)[:, None] * speeds
    turned = pairs * torch.polar(torch.ones_like(angles), angles)[:, None]
    return torch.cat([turned.real, turned.imag], dim=-1).float()
