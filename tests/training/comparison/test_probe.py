"""A recorded stream rolls over and restarts; equal stores plan alike for it, and what differs is measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tests.training.samples import MODEL, NUM_ENVS, continuous_config, tiny_config

import kvzero
from kvzero.agent import newest_checkpoint
from kvzero.training import read_config
from kvzero.training.comparison.probe import compare_plans, num_steps_of, plan_stream, record_stream


@pytest.fixture(scope="module")
def stream(trained_run, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("identity") / "stream.safetensors"
    record_stream(read_config(trained_run), newest_checkpoint(trained_run), path)
    return path


def planned(trained_run, stream, path, precision="float32", **changes) -> Path:
    config = read_config(trained_run)
    config = replace(config, agent=replace(config.agent, **changes))
    plan_stream(config, stream, newest_checkpoint(trained_run), path, precision)
    return path


def test_a_stream_is_longer_than_contexts_and_holds_resets_of_every_kind(stream):
    found = load_file(stream)
    num_steps = len(found["actions"])
    assert num_steps == 40 > 2 * MODEL.context_tokens
    assert found["observations"].shape == (num_steps, NUM_ENVS, 5)
    assert found["starts"][0].all()
    assert 2 < found["starts"][1:].sum() < num_steps
    assert len(np.unique(found["actions"])) == 3
    long = replace(MODEL, context_tokens=100)
    config = tiny_config(Path())
    assert num_steps_of(replace(config, agent=replace(config.agent, model=long))) == 300


def test_episodes_that_do_not_end_are_begun_anew(stream, trained_run, tmp_path, monkeypatch):
    config = read_config(trained_run)
    endless = replace(config, env=replace(config.env, env_id="tests.training.environments:Endless", num_envs=7))
    record_stream(endless, newest_checkpoint(trained_run), tmp_path / "stream")
    starts = load_file(tmp_path / "stream")["starts"]
    assert np.flatnonzero(starts[1:].any(axis=0)).tolist() == [2, 6]
    assert np.flatnonzero(starts[:, 2]).tolist() == [0, 14, 28]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_same_store_plans_the_same_twice(trained_run, stream, tmp_path, precision):
    first = planned(trained_run, stream, tmp_path / "first", precision)
    second = planned(trained_run, stream, tmp_path / "second", precision)
    found = compare_plans("pooled", "tree", precision, second, first, stream)
    assert (found.variant, found.reference, found.precision) == ("pooled", "tree", precision)
    assert found.num_searches == 40 * NUM_ENVS
    assert found.num_resets == load_file(stream)["starts"][1:].sum()
    assert found.max_logit_difference == found.max_policy_difference == found.max_value_difference == 0
    assert found.max_visit_difference == found.num_differing_searches == 0


@pytest.fixture(scope="module")
def continuous_run(tmp_path_factory) -> Path:
    return kvzero.train(continuous_config(tmp_path_factory.mktemp("runs"), run_name="continuous")).run


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_stores_plan_alike_for_a_stream_of_continuous_actions(continuous_run, tmp_path, precision):
    stream = tmp_path / "stream"
    record_stream(read_config(continuous_run), newest_checkpoint(continuous_run), stream)
    actions = load_file(stream)["actions"]
    assert actions.dtype == np.float32
    assert np.abs(actions).max() <= 1
    assert len(np.unique(actions)) > 0.9 * actions[1:].size
    tree = planned(continuous_run, stream, tmp_path / "tree", precision, engine="eager")
    pooled = planned(continuous_run, stream, tmp_path / "pooled", precision, engine="eager", store="pooled")
    found = compare_plans("pooled", "tree", precision, pooled, tree, stream)
    assert found.num_searches == actions.shape[0] * actions.shape[1]
    assert found.num_differing_searches == 0
    assert max(found.max_logit_difference, found.max_value_difference) < 1e-5
    drawn = load_file(tree)["policies"]
    assert drawn.shape[2] % actions.shape[2] == 0
    assert drawn.std() > 0.1


def test_a_single_changed_weight_shows(trained_run, stream, tmp_path):
    first = planned(trained_run, stream, tmp_path / "first")
    checkpoint = tmp_path / "changed"
    checkpoint.mkdir()
    for path in newest_checkpoint(trained_run).iterdir():
        (checkpoint / path.name).write_bytes(path.read_bytes())
    weights = load_file(checkpoint / "weights.safetensors")
    weights["action_table.weight"][0, 0] += 0.5
    save_file(weights, checkpoint / "weights.safetensors")
    plan_stream(read_config(trained_run), stream, checkpoint, tmp_path / "second", "float32")
    assert compare_plans("b", "a", "float32", tmp_path / "second", first, stream).max_value_difference > 1e-6


def test_the_largest_differences_are_found_wherever_they_are(stream, tmp_path):
    shape = (3, 2, 4)
    visits = np.full(shape, 5)
    plans = {"visit_counts": visits, "values": np.zeros(shape[:2]), "policies": np.zeros(shape)}
    save_file(plans, tmp_path / "held")
    changed = {name: array.copy() for name, array in plans.items()}
    changed["visit_counts"][1, 1] = [2, 8, 5, 5]
    changed["visit_counts"][2, 0] = [4, 6, 5, 5]
    changed["values"][0, 1] = -0.25
    changed["policies"][2, 1, 3] = 0.125
    save_file(changed, tmp_path / "changed")
    found = compare_plans("b", "a", "float32", tmp_path / "changed", tmp_path / "held", stream)
    assert found.max_visit_difference == 3
    assert found.max_policy_difference == 3 / 20
    assert found.max_value_difference == 0.25
    assert found.max_logit_difference == 0.125
    assert (found.num_differing_searches, found.num_searches) == (2, 6)


def test_float64_leaves_no_rounding_of_float32(trained_run, stream, tmp_path):
    single = load_file(planned(trained_run, stream, tmp_path / "single"))
    double = load_file(planned(trained_run, stream, tmp_path / "double", "float64"))
    gap = np.abs(single["values"] - double["values"]).max()
    assert 0 < gap < 1e-2
    assert torch.get_default_dtype() == torch.float32
