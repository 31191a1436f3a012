"""What a record says of the cache is true: the slots that it lists hold the keys that each prediction reads."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.equivalence.reference import Path, turn
from tests.equivalence.scenario import TOLERANCE, Life
from tests.equivalence.test_exactness import SHAPES, STORES, engine_of, trees_of
from torch import Tensor

from kvzero.agent import SearchRecord
from kvzero.cache import BlockTable, TreeStore
from kvzero.search import Outcome


def live(name: str, store: str) -> None:
    """Let environments live and searches explore, and hold every node of every record against one uncached forward."""
    life, num_whole = Life(SHAPES[name], seed=8, engine=engine_of(store)), 0
    for step in range(16):
        envs = life.some_envs()
        if step == 9:
            life.update_weights()
        life.observe(envs)
        outcome = life.plan(envs, explore=step % 2 > 0)
        for row, env in enumerate(envs):
            record = life.planner.explain(int(env))
            check_record(life, record, int(env), outcome, row)
            num_whole += bool((record.block_table >= 0).all())
    assert num_whole > 0  # contexts rolled over


@torch.no_grad()
def check_record(life: Life, record: SearchRecord, env: int, outcome: Outcome, row: int) -> None:
    memory, context = life.planner.store.memory, life.shape.model.context_tokens
    arena = memory.arena[env * memory.num_slots : (env + 1) * memory.num_slots]
    assert record.block_table.shape == (life.shape.num_simulations + 1, context)
    assert record.num_slots == memory.num_slots
    paths = {0: life.path(env)}
    for node in range(life.shape.num_simulations + 1):
        if node:
            paths[node] = paths[int(record.parents[node])].fork()
            paths[node].step(action_of(record, node))
        listed = record.block_table[node]
        wanted = paths[node].keys_values()[-context:]
        assert (listed >= 0).sum() == len(wanted)
        assert (listed[: context - len(wanted)] == -1).all()
        found = arena[listed[listed >= 0]]
        assert (found - wanted).abs().max() <= TOLERANCE, "keys are not those"
        value, logits = read_listed(paths[node], found)
        assert (value - record.predicted_values[node]).abs() <= TOLERANCE, "prediction is not made of them"
        if node and not life.shape.spec.is_continuous:  # the root has noise where the search explored
            np.testing.assert_allclose(record.priors[node], logits.softmax(-1).cpu(), atol=TOLERANCE)
    own = record.block_table[1:, -2:]
    assert len(np.unique(own)) == own.size
    places, num_owned = np.divmod(own - context, record.tokens_per_node)[0], record.tokens_per_node
    np.testing.assert_array_equal(places[:, 1], np.arange(1, len(places) + 1))
    np.testing.assert_array_equal(places[:, 0], record.parents[1:] if num_owned > 2 else places[:, 1])
    assert outcome.tree.parents[row].tolist() == record.parents.tolist()


def action_of(record: SearchRecord, node: int) -> int | np.ndarray:
    """Return the action that leads to a node."""
    action = int(record.actions[node])
    return action if record.action_vectors is None else record.action_vectors[record.parents[node], action]


def read_listed(path: Path, listed: Tensor) -> tuple[Tensor, Tensor]:
    """Return value and policy logits of a path's newest latent, whose query meets the listed keys and nothing else."""
    network = path.network
    stream, position = path.latents[-1], 2 * len(path.latents) - 2
    for layer, block in enumerate(network.transformer.blocks):
        projected = block.attention.project(block.attention_norm(stream)).view(3, network.config.num_heads, -1)
        query = turn(projected[:1].expand(position + 1, -1, -1))[-1]
        keys, values = listed[:, layer, 0], listed[:, layer, 1]
        weights = (torch.einsum("hd,shd->hs", query, keys) / query.shape[-1] ** 0.5).softmax(-1)
        stream = stream + block.attention.merge(torch.einsum("hs,shd->hd", weights, values).flatten()[None])[0]
        stream = stream + block.mlp(block.mlp_norm(stream))
    value_logits, policy_logits = network.latent_head(network.transformer.final_norm(stream))
    return network.support.decode(value_logits), policy_logits


@pytest.mark.parametrize(
    ("name", "store"),
    [
        (name, store)
        for name in ("vector", "image", "smallest_context", "three_layers_layernorm", "continuous")
        for store in trees_of(name)
    ],
)
def test_the_listed_slots_hold_the_keys_that_each_prediction_reads(name: str, store: str) -> None:
    live(name, store)


@pytest.mark.parametrize("store", ["pooled", "legacy"])
def test_where_contexts_are_entries_there_are_no_slots_and_the_figures_are_those_of_the_pools(store: str) -> None:
    shape = replace(SHAPES["vector"], **STORES[store])
    life = Life(shape, seed=1)
    for _ in range(3):
        life.observe(np.arange(shape.num_envs))
        life.plan(np.arange(shape.num_envs))
    record = life.planner.explain(1)
    assert record.block_table is None
    assert record.num_slots == record.tokens_per_node == 0
    assert record.cache_figures == life.planner.store.figures()
    assert record.cache_figures["recur/size"] == shape.num_envs * shape.num_simulations
    assert record.cache_figures["recur/hits"] + record.cache_figures["init/hits"] > 0


def list_the_slots_of_another_node(table: BlockTable) -> BlockTable:
    return replace(table, slots=np.roll(table.slots, 1, axis=0))


def list_one_slot_too_few(table: BlockTable) -> BlockTable:
    return replace(table, slots=np.concatenate([np.full_like(table.slots[:, :1], -1), table.slots[:, 1:]], axis=1))


def list_them_in_another_order(table: BlockTable) -> BlockTable:
    return replace(table, slots=table.slots[:, ::-1].copy())


@pytest.mark.parametrize(
    "change",
    [list_the_slots_of_another_node, list_one_slot_too_few, list_them_in_another_order],
    ids=lambda change: change.__name__,
)
def test_the_suite_notices_a_table_that_says_something_else(
    change: Callable[[BlockTable], BlockTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = TreeStore.block_table
    monkeypatch.setattr(TreeStore, "block_table", lambda store, env: change(told(store, env)))
    with pytest.raises((AssertionError, RuntimeError)):
        live("vector", "tree")
