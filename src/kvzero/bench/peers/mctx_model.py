"""The network of `kvzero.model` in JAX, as mctx calls it: one node per call, its context kept in the node's embedding.

Only imported when the peer was asked for.
"""

from itertools import starmap
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from kvzero.model import SIMNORM_GROUP, Network, look_up_weights

__all__ = ["Answers", "Params", "expand_node", "read_params"]

NORM_EPSILON = 1e-5
SUPPORT_EPSILON = 0.001


class Affine(NamedTuple):
    """A linear layer, its weights `[in, out]`, the order in which XLA is faster here; or the scale of a norm."""

    weight: jax.Array
    bias: jax.Array


class Layer(NamedTuple):
    """One pre-LN layer."""

    attention_norm: Affine
    project: Affine
    merge: Affine
    mlp_norm: Affine
    widen: Affine
    narrow: Affine


class Head(NamedTuple):
    """Two heads whose hidden layers are one product."""

    hidden: Affine
    first: Affine
    second: Affine


class Params(NamedTuple):
    """All that an expansion reads."""

    layers: tuple[Layer, ...]
    final_norm: Affine
    action_head: Head
    latent_head: Head
    action_table: jax.Array
    rotation: jax.Array
    bins: jax.Array


class Answers(NamedTuple):
    """What the network says of one new node per environment."""

    rewards: jax.Array
    values: jax.Array
    policy_logits: jax.Array


def read_params(network: Network, dtype: str, *, num_positions: int) -> Params:
    """Return the weights of a network in another library, and rotations for token indices below `num_positions`."""
    positions = network.transformer.positions
    positions.reserve(num_positions)

    def place(tensor: Tensor) -> jax.Array:
        return jnp.asarray(tensor.detach().cpu().numpy(), dtype)

    def affine(weight: Tensor, bias: Tensor) -> Affine:
        return Affine(place(weight.t().contiguous()), place(bias))

    weights = look_up_weights(network)
    return Params(
        tuple(Layer(*starmap(affine, layer)) for layer in weights.layers),
        affine(*weights.final_norm),
        Head(*starmap(affine, weights.action_head)),
        Head(*starmap(affine, weights.latent_head)),
        place(network.action_table.weight),
        jnp.asarray(positions(torch.arange(num_positions)).numpy()),
        jnp.asarray(network.support.bins.numpy()),
    )


def expand_node(
    params: Params,
    actions: Int[jax.Array, " env"],
    window: Float[jax.Array, "env layer slot 2 head head_dim"],
    positions: Int[jax.Array, " env"],
) -> tuple[Answers, Float[jax.Array, "env layer slot 2 head head_dim"]]:
    """Pass the action token, then the latent token that it predicts; also return the child's context.

    `window` holds the parent's `C` context tokens, all of them real; `positions` are the indices of the action tokens.
    """
    output, window = _pass(params, params.action_table[actions], params.rotation[positions], window)
    reward_logits, next_latents = _read(params.action_head, output)
    latents = _simnorm(next_latents)
    output, window = _pass(params, latents, params.rotation[positions + 1], window)
    value_logits, policy_logits = _read(params.latent_head, output)
    rewards, values = _decode(reward_logits, params.bins), _decode(value_logits, params.bins)
    return Answers(rewards, values, policy_logits.astype(jnp.float32)), window


def _pass(
    params: Params,
    tokens: Float[jax.Array, "env embed"],
    rotation: Float[jax.Array, "env 2 head_dim"],
    window: Float[jax.Array, "env layer slot 2 head head_dim"],
) -> tuple[Float[jax.Array, "env embed"], Float[jax.Array, "env layer slot 2 head head_dim"]]:
    """Pass one token per environment through all layers; its keys and values push the oldest out of the window."""
    contexts = []
    for number, layer in enumerate(params.layers):
        mixed, context = _attend(layer, _norm(layer.attention_norm, tokens), rotation, window[:, number])
        contexts.append(context)
        tokens = tokens + _dense(layer.merge, mixed)
        wide = jax.nn.gelu(_dense(layer.widen, _norm(layer.mlp_norm, tokens)), approximate=True)
        tokens = tokens + _dense(layer.narrow, wide)
    return _norm(params.final_norm, tokens), jnp.stack(contexts, axis=1)


def _attend(
    layer: Layer,
    tokens: Float[jax.Array, "env embed"],
    rotation: Float[jax.Array, "env 2 head_dim"],
    context: Float[jax.Array, "env slot 2 head head_dim"],
) -> tuple[Float[jax.Array, "env embed"], Float[jax.Array, "env slot 2 head head_dim"]]:
    num_heads, head_dim = context.shape[-2:]
    projected = _dense(layer.project, tokens).reshape(len(tokens), 3, num_heads, head_dim)
    cosine, sine = rotation[:, 0, None, None], rotation[:, 1, None, None]
    pair = projected[:, :2]
    turned = (pair * cosine + jnp.roll(pair, head_dim // 2, axis=-1) * sine).astype(tokens.dtype)
    new = jnp.stack([turned[:, 1], projected[:, 2]], axis=1)
    context = jnp.concatenate([context[:, 1:], new[:, None]], axis=1)
    scores = jnp.einsum("bhd,bchd->bhc", turned[:, 0], context[:, :, 0]) * np.float32(head_dim**-0.5)
    weights = jax.nn.softmax(scores, axis=-1).astype(tokens.dtype)
    mixed = jnp.einsum("bhc,bchd->bhd", weights, context[:, :, 1])
    return mixed.reshape(tokens.shape), context


def _read(head: Head, tokens: Float[jax.Array, "env embed"]) -> tuple[jax.Array, jax.Array]:
    hidden = jax.nn.gelu(_dense(head.hidden, tokens), approximate=True)
    first, second = jnp.split(hidden, 2, axis=-1)
    return _dense(head.first, first), _dense(head.second, second)


def _dense(layer: Affine, rows: Float[jax.Array, "env in"]) -> Float[jax.Array, "env out"]:
    return rows @ layer.weight + layer.bias


def _norm(scale: Affine, tokens: Float[jax.Array, "env embed"]) -> Float[jax.Array, "env embed"]:
    numbers = tokens.astype(jnp.float32)
    centred = numbers - numbers.mean(-1, keepdims=True)
    spread = jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + NORM_EPSILON)
    return (centred * spread).astype(tokens.dtype) * scale.weight + scale.bias


def _simnorm(latents: Float[jax.Array, "env embed"]) -> Float[jax.Array, "env embed"]:
    groups = latents.reshape(len(latents), -1, SIMNORM_GROUP)
    return jax.nn.softmax(groups, axis=-1).reshape(latents.shape)


def _decode(logits: Float[jax.Array, "env bin"], bins: Float[jax.Array, " bin"]) -> Float[jax.Array, " env"]:
    """Return the scalar that categorical logits stand for, as `kvzero.model.Support.decode`."""
    expected = (jax.nn.softmax(logits.astype(jnp.float32), axis=-1) * bins).sum(-1)
    constant = jnp.abs(expected) + (1 + SUPPORT_EPSILON)
    root = 2 * constant / (1 + jnp.sqrt(1 + 4 * SUPPORT_EPSILON * constant))
    return jnp.sign(expected) * (root * root - 1)
