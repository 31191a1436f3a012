"""The linear layers of a shape as XLA computes them, in one compiled loop.

Only imported when the peer was asked for.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from kvzero.bench.config import SearchBench
from kvzero.bench.floor import layer_sizes, simulations_at_once
from kvzero.bench.peers.mctx_search import jax_device

__all__ = ["XlaLayers"]

Weights = tuple[jax.Array, ...]


class XlaLayers:
    """The linear layers of several simulations, each fed by the one before, so that none is skipped."""

    def __init__(self, config: SearchBench) -> None:
        """Draw weights, place them on the device and compile."""
        device = jax_device(config)
        rng = np.random.default_rng(config.seed)
        sizes, _ = layer_sizes(config)
        weights = tuple(jnp.asarray(rng.normal(size=size) * size[0] ** -0.5, config.dtype) for size in sizes)
        tokens = jnp.ones((config.num_envs, config.embed_dim), config.dtype)
        self._num_simulations = simulations_at_once(config)
        self._arguments = jax.device_put((tokens, weights), device)
        self._run = jax.jit(partial(_simulate, num_simulations=self._num_simulations))
        self.search()

    def search(self) -> float:
        """Compute the layers of several simulations; return the seconds that one of them took."""
        before = time.perf_counter()
        jax.block_until_ready(self._run(*self._arguments))
        return (time.perf_counter() - before) / self._num_simulations


def _simulate(
    tokens: Float[jax.Array, "env embed"], weights: Weights, *, num_simulations: int
) -> Float[jax.Array, "env embed"]:
    blocks, action_head, latent_head = weights[:-6], weights[-6:-3], weights[-3:]

    def simulation(_: jax.Array, tokens: jax.Array) -> jax.Array:
        rewards, latents = _head(action_head, _transformer(blocks, tokens))
        values, logits = _head(latent_head, _transformer(blocks, latents))
        return latents + rewards.mean() + values.mean() + logits.mean()

    answer: jax.Array = jax.lax.fori_loop(0, num_simulations, simulation, tokens)
    return answer


def _transformer(blocks: Weights, tokens: jax.Array) -> jax.Array:
    for first in range(0, len(blocks), 4):
        project, merge, widen, narrow = blocks[first : first + 4]
        tokens = (tokens @ project)[:, : tokens.shape[1]] @ merge
        tokens = tokens @ widen @ narrow
    return tokens


def _head(head: Weights, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    hidden, first, second = head
    one, other = jnp.split(tokens @ hidden, 2, axis=-1)
    return one @ first, other @ second
