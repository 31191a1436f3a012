"""mctx at the same shape: its MuZero search, compiled whole by JAX, over the same network.

Only imported when the peer was asked for.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import mctx
import numpy as np
from jaxtyping import Float, Float32

from kvzero.bench.config import NumberType, SearchBench
from kvzero.bench.own import random_network
from kvzero.bench.peers.mctx_model import Params, expand_node, read_params
from kvzero.errors import ConfigError
from kvzero.model import choose_device

__all__ = ["MctxSearch", "jax_device"]


class MctxSearch:
    """`mctx.muzero_policy` for a batch of roots whose contexts are full; every search draws its own noise."""

    def __init__(self, config: SearchBench, dtype: NumberType) -> None:
        """Place weights and roots on the device, and compile."""
        device = jax_device(config)
        num_positions = config.context_tokens + 2 * config.num_simulations + 2
        params = read_params(random_network(config), dtype, num_positions=num_positions)
        roots = _draw_roots(config, dtype)
        self._params, self._roots = jax.device_put((params, roots), device)
        plan = partial(_plan, num_simulations=config.num_simulations, discount=config.agent.search.discount)
        self._plan = jax.jit(plan)
        self._num_simulations = config.num_simulations
        self._num_searches = 0
        self.action_weights: Float32[np.ndarray, "env action"]
        """Share of the visits that each action at the root got in the newest search."""
        self.search()

    def search(self) -> float:
        """Search once, and wait for the visits; return the seconds that it took."""
        self._num_searches += 1
        before = time.perf_counter()
        weights = self._plan(self._params, self._roots, np.uint32(self._num_searches))
        self.action_weights = np.asarray(jax.block_until_ready(weights))
        return time.perf_counter() - before


def jax_device(config: SearchBench) -> jax.Device:
    """Return what JAX calls the device that kvzero searches on.

    Raises:
        ConfigError: if JAX has none of its kind.
    """
    kind = choose_device(config.device).type
    try:
        return jax.devices(kind)[0]
    except RuntimeError as error:
        raise ConfigError(f"device is {config.device}, but JAX has no {kind} here: {error}") from error


def _plan(
    params: Params, root: mctx.RootFnOutput, seed: jax.Array, *, num_simulations: int, discount: float
) -> Float[jax.Array, "env action"]:
    """Return the share of the visits that each action at the root got."""

    def expand(
        params: Params, rng_key: jax.Array, actions: jax.Array, embedding: tuple[jax.Array, jax.Array]
    ) -> tuple[mctx.RecurrentFnOutput, tuple[jax.Array, jax.Array]]:
        del rng_key
        window, positions = embedding
        answers, window = expand_node(params, actions, window, positions)
        output = mctx.RecurrentFnOutput(
            reward=answers.rewards,
            discount=jnp.full_like(answers.rewards, discount),
            prior_logits=answers.policy_logits,
            value=answers.values,
        )
        return output, (window, positions + 2)

    key = jax.random.PRNGKey(seed)
    policy = mctx.muzero_policy(params, key, root, expand, num_simulations=num_simulations)
    weights: jax.Array = policy.action_weights
    return weights


def _draw_roots(config: SearchBench, dtype: NumberType) -> mctx.RootFnOutput:
    """Return roots whose contexts are full of random keys and values, at the step after which they are."""
    rng = np.random.default_rng(config.seed)
    head_dim = config.embed_dim // config.num_heads
    shape = (config.num_envs, config.num_layers, config.context_tokens, 2, config.num_heads, head_dim)
    return mctx.RootFnOutput(
        prior_logits=jnp.zeros((config.num_envs, config.num_actions)),
        value=jnp.zeros(config.num_envs),
        embedding=(jnp.asarray(rng.normal(size=shape), dtype), jnp.full(config.num_envs, config.context_tokens + 1)),
    )
