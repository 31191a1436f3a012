"""An agent that was saved in the middle of a game plays the rest as if nothing had happened, or says why not."""

import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent import games
from tests.agent.games import KINDS, NUM_ENVS, NUM_STEPS, SAVED_AT, agent_of, config_of, logits_of, network_of, play

from kvzero import Agent, CacheConfig
from kvzero.agent import CHECKPOINTS, LoadedContexts, Planner, contexts, save_agent
from kvzero.agent.history import History
from kvzero.engines import Past
from kvzero.errors import CheckpointError, ConfigError, RunError
from kvzero.records import EnvSpec

ROOT = Path(__file__).parents[2]
RESTORED = LoadedContexts(num_restored=2, num_rebuilt=0, reason=None, codec="none")
EVERYONE = np.arange(NUM_ENVS)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, object]], dict[str, dict]]:
    """Return what agents did that stayed, and what those did that went on in another process."""
    folder, stayed = tmp_path_factory.mktemp("games"), {}
    for kind in KINDS:
        agent = agent_of(kind)
        checkpoint = folder / f"run-{kind}" / CHECKPOINTS / "step_1"
        checkpoint.mkdir(parents=True)
        save_agent(checkpoint, agent.network, agent.config)
        actions = play(agent, 0, SAVED_AT)[-1]
        np.save(folder / f"{kind}.npy", actions)
        agent.save_contexts(folder / f"{kind}_exact")
        agent.save_contexts(folder / f"{kind}_history", history_only=True)
        done = play(agent, SAVED_AT, NUM_STEPS, actions)
        stayed[kind] = {"actions": [each.tolist() for each in done], "logits": logits_of(agent)}
    subprocess.run([sys.executable, "-m", "tests.agent.games", folder], cwd=ROOT, check=True)
    return stayed, json.loads((folder / "done.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
def test_with_keys_and_values_the_rest_of_a_game_is_the_same_bit_for_bit_in_another_process(played, kind):
    stayed, went = played
    assert went[f"{kind}_exact"] == {"loaded": [2, 0, None], **stayed[kind]}


@pytest.mark.parametrize("kind", KINDS)
def test_from_the_history_alone_the_rest_of_a_game_is_the_same_but_for_rounding(played, kind):
    stayed, went = played
    found = went[f"{kind}_history"]
    assert found["loaded"] == [0, 2, "their keys and values were not saved"]
    np.testing.assert_allclose(found["logits"], stayed[kind]["logits"], atol=1e-5, rtol=0)
    if kind == "continuous":
        np.testing.assert_allclose(found["actions"], stayed[kind]["actions"], atol=1e-5, rtol=0)
    else:
        assert found["actions"] == stayed[kind]["actions"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_before_matters_so_that_nothing_less_would_pass(kind):
    agent, fresh = agent_of(kind), agent_of(kind)
    actions = play(agent, 0, SAVED_AT)[-1]
    for each in (agent, fresh):
        play(each, SAVED_AT, SAVED_AT + 1, actions)
    assert np.abs(np.subtract(logits_of(agent), logits_of(fresh))).max() > 1e-4


@pytest.mark.parametrize(
    ("codec", "options", "tolerance"),
    [
        ("none", {"store": "pooled"}, 0),
        ("none", {"store": "legacy"}, 0),
        ("none", {"engine": "native"}, 0),
        ("none", {"engine": "device"}, 0),
        ("none", {"engine": "device", "one_pass": True}, 0),
        ("none", {"search_dtype": "bfloat16"}, 0),
        ("float16", {}, 1e-3),
        ("int8", {"store": "pooled"}, 1e-2),
    ],
)
def test_every_store_and_engine_is_restored_exactly_and_codecs_within_their_error(tmp_path, codec, options, tolerance):
    agent = agent_of("discrete", **options)
    actions = play(agent, 0, SAVED_AT)[-1]
    agent.save_contexts(tmp_path, codec=codec)
    loaded = agent_of("discrete", **options)
    assert loaded.load_contexts(tmp_path) == replace(RESTORED, codec=codec)
    assert logits_of(loaded) == logits_of(agent)  # what was read there is never rounded
    for each in (loaded, agent):
        play(each, SAVED_AT, SAVED_AT + 1, actions)
    error = np.abs(np.subtract(logits_of(loaded), logits_of(agent))).max()
    assert (0 < error <= tolerance) if tolerance else error == 0


def test_windows_that_slide_are_restored_with_their_raw_tokens(tmp_path, monkeypatch):
    model = replace(KINDS["discrete"][0], positions="learned", max_tokens=64)
    monkeypatch.setitem(KINDS, "discrete", (model, KINDS["discrete"][1]))
    agent, loaded = (agent_of("discrete", store="pooled") for _ in range(2))
    actions = play(agent, 0, SAVED_AT)[-1]
    agent.save_contexts(tmp_path)
    assert loaded.load_contexts(tmp_path) == RESTORED
    np.testing.assert_array_equal(play(loaded, SAVED_AT, NUM_STEPS, actions), play(agent, SAVED_AT, NUM_STEPS, actions))
    assert logits_of(loaded) == logits_of(agent)


@pytest.mark.parametrize(
    ("seed", "options", "reason"),
    [
        (4, {}, "they were made by other weights"),
        (3, {"engine": "eager"}, "they were made by engine native, not eager"),
        (3, {"search_dtype": "bfloat16"}, r"they were made by number type torch.float32, not torch.bfloat16"),
    ],
)
def test_other_weights_engines_and_number_types_make_them_anew_and_say_so(tmp_path, caplog, seed, options, reason):
    saved, seen_all = agent_of("discrete", engine="native"), agent_of("discrete", seed, **options)
    actions = play(saved, 0, SAVED_AT)
    saved.save_contexts(tmp_path)
    loaded = agent_of("discrete", seed, **options)
    with caplog.at_level(logging.WARNING):
        assert loaded.load_contexts(tmp_path) == LoadedContexts(0, 2, reason, None)
    assert [record.getMessage() for record in caplog.records if record.name == contexts.__name__] == [
        f"2 of 2 contexts in {tmp_path} were made anew from their histories: {reason}"
    ]
    spec, before = loaded.network.spec, [loaded.network.spec.blank_actions(NUM_ENVS), *actions]
    for step in range(SAVED_AT):  # of the agent that is asked, with the actions of the one that was saved
        starts = np.array([step == 0, step in (0, 4)])
        seen_all._planner.observe(EVERYONE, games.show(spec, step, before[step]), actions=before[step], starts=starts)
    tolerance = 0.02 if options.get("search_dtype") else 1e-5
    np.testing.assert_allclose(logits_of(loaded), logits_of(seen_all), atol=tolerance, rtol=0)


def test_damaged_keys_and_values_are_made_anew(tmp_path, caplog):
    agent, loaded = agent_of("discrete"), agent_of("discrete")
    actions = play(agent, 0, SAVED_AT)[-1]
    agent.save_contexts(tmp_path)
    path = next(tmp_path.glob("keys_values-*"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = loaded.load_contexts(tmp_path)
    assert (found.num_restored, found.num_rebuilt) == (0, 2)
    assert "is damaged: its checksum" in found.reason
    assert "is damaged: its checksum" in caplog.text
    np.testing.assert_array_equal(play(loaded, SAVED_AT, NUM_STEPS, actions), play(agent, SAVED_AT, NUM_STEPS, actions))


def test_roots_that_older_weights_made_are_not_saved(tmp_path):
    network, config = network_of("discrete"), config_of("discrete")
    planner, loaded = (Planner(network, config, num_envs=NUM_ENVS) for _ in range(2))
    seen = games.show(network.spec, 0, np.zeros(NUM_ENVS, np.int64))
    planner.observe(EVERYONE, seen, actions=np.zeros(NUM_ENVS, np.int64), starts=np.ones(NUM_ENVS, bool))
    with torch.no_grad():
        network.action_table.weight.mul_(1.5)
    planner.plan(EVERYONE[:1], np.ones((1, 3), bool), rng=None)  # which rebuilds that one
    planner.save_contexts(tmp_path)
    found = loaded.load_contexts(tmp_path)
    assert found == LoadedContexts(1, 1, "they were out of date when they were saved", "none")
    for env in EVERYONE:
        one = np.array([env])
        outcomes = [each.plan(one, np.ones((1, 3), bool), rng=None) for each in (planner, loaded)]
        np.testing.assert_array_equal(outcomes[0].visit_counts, outcomes[1].visit_counts)


def test_a_planner_saved_between_observing_and_planning_draws_on_as_before(tmp_path):
    network, config = network_of("discrete"), config_of("discrete")
    rngs = [np.random.default_rng(7), np.random.default_rng(8)]
    kept, loaded = (Planner(network, config, num_envs=NUM_ENVS) for _ in range(2))
    masks, actions = np.ones((NUM_ENVS, 3), bool), np.zeros(NUM_ENVS, np.int64)

    def step(planner: Planner, number: int, rng: np.random.Generator, actions: np.ndarray) -> np.ndarray:
        seen = games.show(network.spec, number, actions)
        planner.observe(EVERYONE, seen, actions=actions, starts=np.full(NUM_ENVS, number == 0))
        return planner.plan(EVERYONE, masks, rng=rng, temperature=1.0).actions

    for number in range(5):
        actions = step(kept, number, rngs[0], actions)
    kept.observe(EVERYONE, games.show(network.spec, 5, actions), actions=actions, starts=np.zeros(NUM_ENVS, bool))
    kept.save_contexts(tmp_path, rng=rngs[0])
    assert loaded.load_contexts(tmp_path, rng=rngs[1]) == RESTORED
    pairs = list(zip((kept, loaded), rngs, strict=True))
    first, second = (each.plan(EVERYONE, masks, rng=rng, temperature=1.0) for each, rng in pairs)
    np.testing.assert_array_equal(first.visit_counts, second.visit_counts)
    for number in range(6, 12):
        done = [step(each, number, rng, first.actions) for each, rng in pairs]
        np.testing.assert_array_equal(*done)
    assert rngs[0].random() == rngs[1].random()


def test_saving_disturbs_nothing_and_replaces_what_was_there(tmp_path):
    agent, twin = agent_of("discrete", store="pooled"), agent_of("discrete", store="pooled")
    actions = play(agent, 0, SAVED_AT)[-1]
    play(twin, 0, SAVED_AT)
    for _ in range(2):
        agent.save_contexts(tmp_path, codec="int8")
        agent.save_contexts(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    np.testing.assert_array_equal(play(agent, SAVED_AT, NUM_STEPS, actions), play(twin, SAVED_AT, NUM_STEPS, actions))
    assert logits_of(agent) == logits_of(twin)


def test_an_agent_that_saw_nothing_and_one_about_to_begin_anew_are_saved_as_such(tmp_path):
    fresh, loaded = agent_of("discrete"), agent_of("discrete")
    play(loaded, 0, 3)
    fresh.save_contexts(tmp_path)
    assert loaded.load_contexts(tmp_path) == LoadedContexts(0, 0, None, None)
    agent = agent_of("discrete")
    actions = play(agent, 0, SAVED_AT)[-1]
    agent.reset(np.array([0]))
    agent.save_contexts(tmp_path)
    loaded.load_contexts(tmp_path)
    for each in (agent, loaded):
        play(each, SAVED_AT, SAVED_AT + 1, actions)
    assert logits_of(loaded) == logits_of(agent)


def spoil(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Save an agent, and let something be wrong with it; return the folder to load."""
    if kind == "missing":
        return folder / "nowhere"
    if kind == "newer":
        monkeypatch.setattr(contexts, "FORMAT", 2)
    if kind == "spec":
        monkeypatch.setitem(KINDS, "other", (KINDS["discrete"][0], EnvSpec(observation_shape=(5,), num_actions=4)))
    if kind == "short":
        monkeypatch.setitem(KINDS, "other", (replace(KINDS["discrete"][0], context_tokens=4), KINDS["discrete"][1]))
    saved = agent_of("other" if kind in ("spec", "short") else "discrete")
    play(saved, 0, SAVED_AT)
    if kind == "planner":
        saved._planner.save_contexts(folder)
    else:
        saved.save_contexts(folder)
    if kind == "damaged":
        next(folder.glob("history-*")).write_bytes(b"half")
    monkeypatch.undo()
    return folder


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "nowhere is not a folder; give one that contexts were saved to"),
        ("newer", r"has format 2, this kvzero reads up to 1; install the newer version"),
        ("damaged", "is damaged: its checksum"),
        ("spec", r"was saved in an environment with .* 4 actions; this one has .* 3 actions"),
        ("short", "hold 5 observations, and to rebuild contexts exactly takes 7 here"),
        ("planner", "was saved by an agent or by a planner, .* load it by what saved it"),
    ],
)
def test_what_cannot_be_loaded_is_told_and_changes_nothing(tmp_path, monkeypatch, kind, message):
    folder = spoil(kind, tmp_path, monkeypatch)
    agent, twin = agent_of("discrete"), agent_of("discrete")
    actions = play(agent, 0, SAVED_AT)[-1]
    play(twin, 0, SAVED_AT)
    with pytest.raises(CheckpointError, match=message):
        agent.load_contexts(folder)
    np.testing.assert_array_equal(play(agent, SAVED_AT, NUM_STEPS, actions), play(twin, SAVED_AT, NUM_STEPS, actions))
    assert logits_of(agent) == logits_of(twin)


def test_where_a_history_is_too_short_the_random_state_stays_too(tmp_path, monkeypatch):
    short = replace(KINDS["discrete"][0], context_tokens=4)
    monkeypatch.setitem(KINDS, "short", (short, KINDS["discrete"][1]))
    saved, asked = (Planner(network_of(kind), config_of(kind), num_envs=NUM_ENVS) for kind in ("short", "discrete"))
    for step in range(SAVED_AT):
        blank = saved._network.spec.blank_actions(NUM_ENVS)
        starts = np.full(NUM_ENVS, step == 0)
        saved.observe(EVERYONE, games.show(saved._network.spec, step, blank), actions=blank, starts=starts)
    saved.save_contexts(tmp_path, rng=np.random.default_rng(7))
    rng, twin = (np.random.default_rng(8) for _ in range(2))
    with pytest.raises(CheckpointError, match="and to rebuild contexts exactly takes"):
        asked.load_contexts(tmp_path, rng=rng)
    assert rng.random() == twin.random()


def test_another_number_of_environments_and_a_missing_random_state_are_told(tmp_path):
    agent_of("discrete").save_contexts(tmp_path)
    with pytest.raises(
        CheckpointError, match="holds the contexts of 2 environments, and there are 3 here; give as many"
    ):
        Agent(network_of("discrete"), config_of("discrete"), num_envs=3).load_contexts(tmp_path)
    planner = Planner(network_of("discrete"), config_of("discrete"), num_envs=NUM_ENVS)
    planner.save_contexts(tmp_path)
    with pytest.raises(CheckpointError, match="holds no random state to go on from"):
        planner.load_contexts(tmp_path, rng=np.random.default_rng(0))


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file cannot be written"):
        agent_of("discrete").save_contexts(tmp_path / "file")


@pytest.mark.parametrize(
    ("cache", "message"),
    [
        (CacheConfig(key_mode="latent"), "key_mode is latent"),
        (CacheConfig(pool_codec="int8"), "pool_codec is int8, which rounds"),
    ],
)
def test_contexts_that_are_no_function_of_weights_and_history_are_saved_as_histories_only(tmp_path, cache, message):
    agent = agent_of("discrete", store="pooled", cache=cache)
    play(agent, 0, 3)
    with pytest.raises(ConfigError, match=message):
        agent.save_contexts(tmp_path)
    agent.save_contexts(tmp_path, history_only=True)
    assert agent_of("discrete").load_contexts(tmp_path).num_rebuilt == 2


def test_a_codec_without_anything_to_code_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="codec is int8, which has no effect on a history alone"):
        agent_of("discrete").save_contexts(tmp_path, codec="int8", history_only=True)


SPEC = EnvSpec(observation_shape=(1,), num_actions=5)


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=2, max_size=2),
    sizes=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    more=st.integers(0, 5),
)
def test_a_history_that_was_loaded_is_the_one_that_was_saved(lengths, sizes, more):
    kept, loaded = (History(SPEC, num_envs=2, num_steps=size) for size in sizes)
    loaded.append(EVERYONE, np.array([4, 4]), np.full((2, 1), 99, np.float32))  # what was there before
    for env, length in enumerate(lengths):
        for time in range(length):
            kept.append(np.array([env]), np.array([time % 5]), np.full((1, 1), 10 * env + time, np.float32))
    past, counts = kept.read(EVERYONE), kept.counts(EVERYONE)
    if any(min(length, sizes[1] + 1) > past.is_valid.shape[1] for length in lengths):
        with pytest.raises(CheckpointError, match="shorter context"):
            loaded.load(past, counts)
        return
    loaded.load(past, counts)
    size = min(sizes) + 1
    for time in range(more + 1):
        for each in (kept, loaded) if time else ():
            each.append(EVERYONE, np.array([time % 5, 0]), np.full((2, 1), -time, np.float32))
        for first, second in zip(newest(kept, size), newest(loaded, size), strict=True):
            np.testing.assert_array_equal(first, second)


def newest(history: History, size: int) -> tuple[np.ndarray, ...]:
    """Return what is valid of the newest steps, as far as both histories reach."""
    past: Past = history.read(EVERYONE)
    cut = slice(-size, None)
    is_valid = past.is_valid[:, cut]
    observations, actions = (
        past.observations[:, cut],
        past.actions[:, slice(-(size - 1), None) if size > 1 else slice(0)],
    )
    num_actions = actions.shape[1]
    is_followed = is_valid[:, len(is_valid[0]) - 1 - num_actions : -1] if num_actions else np.zeros((2, 0), bool)
    return is_valid, observations[is_valid], actions[is_followed], history.counts(EVERYONE)
