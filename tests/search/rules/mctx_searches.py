"""Searches by mctx over a model of tables, in float64; imported only where mctx is installed."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import mctx
import numpy as np
from tests.search.rules.table_model import Tables, step

from kvzero.search import SearchConfig


@dataclass(frozen=True)
class Found:
    """What mctx found, and the Gumbel numbers that it drew."""

    visit_counts: np.ndarray
    actions: np.ndarray
    policy: np.ndarray
    values: np.ndarray
    gumbels: np.ndarray | None = None


def search_by_gumbel(tables: Tables, masks: np.ndarray, config: SearchConfig, *, seed: int, scale: float) -> Found:
    """Return what `mctx.gumbel_muzero_policy` finds; `scale` is that of the Gumbel numbers."""
    gumbel = config.gumbel
    numbers = {
        "discount": config.discount,
        "epsilon": config.min_value_range,
        "value_scale": gumbel.c_scale,
        "maxvisit_init": gumbel.c_visit,
        "gumbel_scale": scale,
    }
    with jax.enable_x64(True):
        policy = _compile_gumbel(config.num_simulations, gumbel.num_considered_actions)(
            asdict(tables), ~masks, seed, numbers
        )
        return _read(policy, np.asarray(policy.search_tree.extra_data.root_gumbel))


def search_by_puct(tables: Tables, masks: np.ndarray, config: SearchConfig) -> Found:
    """Return what `mctx.muzero_policy` finds without noise."""
    numbers = {
        "discount": config.discount,
        "min_value_range": config.min_value_range,
        "pb_c_init": config.puct.pb_c_init,
        "pb_c_base": config.puct.pb_c_base,
    }
    with jax.enable_x64(True):
        return _read(_compile_puct(config.num_simulations)(asdict(tables), ~masks, numbers), None)


def _read(policy: mctx.PolicyOutput, gumbels: np.ndarray | None) -> Found:
    summary = policy.search_tree.summary()
    arrays = summary.visit_counts, policy.action, policy.action_weights, summary.value
    return Found(*(np.asarray(array) for array in arrays), gumbels)


@cache
def _compile_gumbel(num_simulations: int, num_considered: int) -> Callable[..., mctx.PolicyOutput]:
    @jax.jit
    def run(tables: dict, is_illegal: jax.Array, seed: jax.Array, numbers: dict) -> mctx.PolicyOutput:
        names = ("epsilon", "value_scale", "maxvisit_init")
        return mctx.gumbel_muzero_policy(
            tables,
            jax.random.PRNGKey(seed),
            _root(tables, len(is_illegal)),
            partial(_expand, numbers["discount"]),
            num_simulations,
            is_illegal,
            qtransform=partial(mctx.qtransform_completed_by_mix_value, **{name: numbers[name] for name in names}),
            max_num_considered_actions=num_considered,
            gumbel_scale=numbers["gumbel_scale"],
        )

    return run


@cache
def _compile_puct(num_simulations: int) -> Callable[..., mctx.PolicyOutput]:
    @jax.jit
    def run(tables: dict, is_illegal: jax.Array, numbers: dict) -> mctx.PolicyOutput:
        return mctx.muzero_policy(
            tables,
            jax.random.PRNGKey(0),
            _root(tables, len(is_illegal)),
            partial(_expand, numbers["discount"]),
            num_simulations,
            is_illegal,
            qtransform=partial(_scale, numbers["discount"], numbers["min_value_range"]),
            dirichlet_fraction=0.0,
            pb_c_init=numbers["pb_c_init"],
            pb_c_base=numbers["pb_c_base"],
        )

    return run


def _root(tables: dict, num_envs: int) -> mctx.RootFnOutput:
    states = jnp.arange(num_envs)
    return mctx.RootFnOutput(
        prior_logits=tables["logits"][states].astype(float),
        value=tables["values"][states].astype(float),
        embedding=states,
    )


def _expand(
    discount: jax.Array, tables: dict, key: jax.Array, actions: jax.Array, states: jax.Array
) -> tuple[mctx.RecurrentFnOutput, jax.Array]:
    del key
    states = step(states, actions)
    reward, value, logits = (tables[name][states].astype(float) for name in ("rewards", "values", "logits"))
    return mctx.RecurrentFnOutput(
        reward=reward, discount=jnp.full_like(reward, discount), prior_logits=logits, value=value
    ), states


def _scale(discount: jax.Array, min_value_range: jax.Array, tree: mctx.Tree, node: jax.Array) -> jax.Array:
    """Scale values as MuZero's pseudocode does, by the bounds of the whole tree, which mctx leaves to its user."""
    low, high = _bounds(discount, tree)
    values = jnp.where(tree.children_visits[node] > 0, tree.qvalues(node), tree.node_values[node])
    scaled = jnp.clip((values - low) / jnp.maximum(high - low, min_value_range), 0.0, 1.0)
    return jnp.where(low > high, 0.0, scaled)


def _bounds(discount: jax.Array, tree: mctx.Tree) -> tuple[jax.Array, jax.Array]:
    """Return the lowest and highest value that any edge ever had: all simulations so far are done once more."""
    rewards = tree.children_rewards[tree.parents, tree.action_from_parent]

    def replay(new: jax.Array, carried: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        def go_up(carried: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            node, value, sums, counts, low, high = carried
            sums, counts = sums.at[node].add(value), counts.at[node].add(1)
            found = rewards[node] + discount * sums[node] / counts[node]
            low = jnp.where(node > 0, jnp.minimum(low, found), low)
            high = jnp.where(node > 0, jnp.maximum(high, found), high)
            return tree.parents[node], rewards[node] + discount * value, sums, counts, low, high

        begun = (jnp.where(tree.parents[new] < 0, -1, new), tree.raw_values[new], *carried)
        return jax.lax.while_loop(lambda carried: carried[0] >= 0, go_up, begun)[2:]

    empty = jnp.zeros_like(tree.raw_values)
    begun = (empty.at[0].set(tree.raw_values[0]), empty.at[0].set(1.0), jnp.inf, -jnp.inf)
    return jax.lax.fori_loop(1, len(empty), replay, begun)[2:]
