"""Rows that are searched again hold what planning would find there with the EMA network of now."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tests.training.environments import ACTIONS, FEATURES
from tests.training.samples import LEARNER, MODEL, NUM_ENVS, SPEC, random_step, tiny_network

from kvzero import AgentConfig, ReplayConfig, SearchConfig
from kvzero.agent import Planner
from kvzero.engines import SamplingConfig
from kvzero.errors import SearchError
from kvzero.records import EnvSpec
from kvzero.replay import Replay, StepBatch, build_row_spec
from kvzero.training import Learner, Reanalyser
from kvzero.training.storage.saved_arrays import list_arrays

AGENT = AgentConfig(model=MODEL, search=SearchConfig(num_simulations=6), engine="eager")
REACH = EnvSpec(observation_shape=(FEATURES,), action_dim=2)
NUM_SAMPLED = 5
ROWS_PER_ENV = 25
STEP = 1


def never() -> bool:
    return False


def new_replay(spec: EnvSpec = SPEC) -> Replay:
    num_sampled = NUM_SAMPLED if spec.is_continuous else 0
    row_spec = build_row_spec(spec, num_sampled_actions=num_sampled, keeps_searches=True)
    return Replay(ReplayConfig(replay_capacity=NUM_ENVS * ROWS_PER_ENV), row_spec, num_envs=NUM_ENVS, seed=0)


def searched_step(rng: np.random.Generator, spec: EnvSpec, *, num_updates: int) -> StepBatch:
    """Return a step of which everything that a search found is nonsense, with two legal actions where they count."""
    step, made_by = random_step(rng), np.full(NUM_ENVS, num_updates)
    masks = np.ones((NUM_ENVS, ACTIONS), bool)
    masks[:, 1] = rng.random(NUM_ENVS) < 0.5
    found = {"search_values": np.full(NUM_ENVS, 99.0), "collected_at": made_by, "judged_at": made_by}
    if not spec.is_continuous:
        return replace(step, fields={**step.fields, **found, "action_masks": masks})
    drawn = {
        "actions": rng.uniform(-1, 1, (NUM_ENVS, 2)).astype(np.float32),
        "policies": np.zeros((NUM_ENVS, NUM_SAMPLED), np.float32),
        "action_sets": np.zeros((NUM_ENVS, NUM_SAMPLED, 2), np.float32),
    }
    return replace(step, fields={**step.fields, **found, **drawn})


def fill(replay: Replay, num_steps: int, *, spec: EnvSpec = SPEC, seed: int = 0, num_updates: int = 0) -> Replay:
    rng = np.random.default_rng(seed)
    for _ in range(num_steps):
        replay.add(searched_step(rng, spec, num_updates=num_updates))
    return replay


def reanalyser_of(
    replay: Replay, *, num_rows: int = 8, spec: EnvSpec = SPEC, agent: AgentConfig = AGENT, seed: int = 0
) -> tuple[Reanalyser, Learner]:
    learner = Learner(tiny_network(3, spec=spec), LEARNER, discount=0.9, total_updates=50)
    with torch.no_grad():
        for weights in learner.network.parameters():
            weights.add_(1.0)  # so that it matters which of the two networks searches
    learner.num_updates = 5
    return Reanalyser(learner, replay, agent, num_rows=num_rows, seed_of=lambda served: 7 * served + seed), learner


def held(replay: Replay) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in replay.state_arrays().items()}


def steps_in_order(arrays: dict[str, np.ndarray], env: int) -> list[int]:
    """Return the slots of an environment's rows that are held, the oldest first."""
    num_written = int(arrays["num_written"][env])
    return [number % ROWS_PER_ENV for number in range(max(0, num_written - ROWS_PER_ENV), num_written)]


def plan_again(arrays: dict[str, np.ndarray], env: int, learner: Learner) -> dict[int, tuple[np.ndarray, float]]:
    """Live an environment's rows once more with the EMA network: return policy and value of each step by its slot."""
    quiet = replace(AGENT, search=AGENT.search.without_noise()).with_discount(learner.discount)
    planner, found, starts = Planner(learner.target_network, quiet, num_envs=1), {}, True
    action = np.zeros(1, np.int64)
    for slot in steps_in_order(arrays, env):
        row = {name: arrays[f"{name}.{env}"][slot : slot + 1] for name in ("observations", "actions", "action_masks")}
        if arrays[f"kinds.{env}"][slot] != STEP:
            starts = True
            continue
        planner.observe(np.array([0]), row["observations"], actions=action, starts=np.array([starts]))
        outcome = planner.plan(np.array([0]), row["action_masks"], rng=None)
        found[slot] = outcome.policy[0], outcome.values[0]
        action, starts = row["actions"].astype(np.int64), False
    return found


@pytest.mark.parametrize("num_steps", [17, 60], ids=["filling", "wrapped"])
def test_rows_hold_what_planning_live_with_the_ema_network_finds(num_steps):
    replay = fill(new_replay(), num_steps)
    reanalyser, learner = reanalyser_of(replay, num_rows=1_000)
    reanalyser.serve(1, never)
    arrays, num_ends = held(replay), 0
    for env in range(NUM_ENVS):
        for slot, (policy, value) in plan_again(arrays, env, learner).items():
            np.testing.assert_allclose(arrays[f"policies.{env}"][slot], policy, atol=1e-6)
            assert arrays[f"search_values.{env}"][slot] == pytest.approx(value, abs=1e-4)
            assert arrays[f"judged_at.{env}"][slot] == 5
            assert arrays[f"collected_at.{env}"][slot] == 0
        ends = arrays[f"kinds.{env}"] != STEP
        assert (arrays[f"judged_at.{env}"][ends] == -1).all()
        num_ends += ends.sum()
    assert num_ends > 2


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
@pytest.mark.parametrize("one_pass", [False, True], ids=["two_passes", "one_pass"])
def test_the_device_engine_judges_rows_as_the_eager_engine_does(rule, one_pass):
    search, found = replace(AGENT.search, rule=rule), []
    for changes in ({}, {"engine": "device", "one_pass": one_pass}):
        replay = fill(new_replay(), 60)
        reanalyser, _ = reanalyser_of(replay, num_rows=1_000, agent=replace(AGENT, search=search, **changes))
        reanalyser.serve(1, never)
        found.append(held(replay))
    eager, device = found
    for env in range(NUM_ENVS):
        for name, tolerance in (("policies", 1e-5), ("search_values", 1e-4), ("judged_at", 0)):
            np.testing.assert_allclose(device[f"{name}.{env}"], eager[f"{name}.{env}"], atol=tolerance, rtol=tolerance)
        assert (eager[f"judged_at.{env}"] == 5).sum() > 10


def test_a_row_written_to_another_place_is_noticed(monkeypatch):
    judge = Replay.judge

    def stale(self, chunks, fields):
        return judge(self, replace(chunks, places=np.roll(chunks.places, 1)), fields)

    monkeypatch.setattr(Replay, "judge", stale)
    with pytest.raises(AssertionError):
        test_rows_hold_what_planning_live_with_the_ema_network_finds(17)


def test_actions_that_were_not_legal_get_no_share():
    replay = fill(new_replay(), 20)
    reanalyser_of(replay, num_rows=1_000)[0].serve(1, never)
    policies, masks = replay.steps_of("policies"), replay.steps_of("action_masks")
    assert (policies[~masks] == 0).all()
    assert (~masks).any()
    np.testing.assert_allclose(policies.sum(1), 1, atol=1e-6)


def test_policies_do_not_depend_on_noise():
    first, second = (fill(new_replay(), 20) for _ in range(2))
    reanalyser_of(first, num_rows=1_000, seed=1)[0].serve(1, never)
    reanalyser_of(second, num_rows=1_000, seed=2)[0].serve(1, never)
    np.testing.assert_array_equal(first.steps_of("policies"), second.steps_of("policies"))


def test_sampled_actions_are_drawn_anew_and_kept_with_the_policy_over_them():
    agent = replace(AGENT, sampling=SamplingConfig(num_sampled_actions=NUM_SAMPLED, num_wide_actions=2))
    replay, again, other = (fill(new_replay(REACH), 20, spec=REACH) for _ in range(3))
    for each, seed in ((replay, 1), (again, 1), (other, 2)):
        reanalyser_of(each, num_rows=1_000, spec=REACH, agent=agent, seed=seed)[0].serve(1, never)
    sets = replay.steps_of("action_sets")
    assert len(np.unique(sets.reshape(-1, 2), axis=0)) == sets.shape[0] * NUM_SAMPLED
    np.testing.assert_allclose(replay.steps_of("policies").sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(sets, again.steps_of("action_sets"))
    assert not np.array_equal(sets, other.steps_of("action_sets"))


def test_every_update_is_served_once_with_its_rows():
    replay = fill(new_replay(), 20)
    reanalyser, learner = reanalyser_of(replay, num_rows=3)
    reanalyser.serve(1, never)  # updates before the first of this session, whom nobody served, count too
    assert reanalyser.served_updates == 6
    assert np.count_nonzero(replay.steps_of("judged_at") == 5) == 3 * 6
    before = held(replay)
    learner.num_updates = 6
    reanalyser.serve(0, never)
    assert {name: array.tolist() for name, array in held(replay).items()} == {
        name: array.tolist() for name, array in before.items()
    }
    reanalyser.serve(2, never)
    assert reanalyser.served_updates == 8
    assert np.count_nonzero(replay.steps_of("judged_at") == 6) == 3 * 2


def test_rows_that_weights_of_as_many_updates_have_judged_are_left_alone():
    replay = fill(new_replay(), 12, num_updates=5)
    reanalyser, learner = reanalyser_of(replay, num_rows=1_000)
    reanalyser.serve(1, never)
    assert (replay.steps_of("search_values") == 99).all()
    learner.num_updates = 6
    reanalyser.serve(1, never)
    assert (replay.steps_of("search_values") != 99).all()


def test_an_empty_replay_asks_for_nothing():
    reanalyser, _ = reanalyser_of(new_replay())
    reanalyser.serve(4, never)
    assert reanalyser.served_updates == 9
    assert reanalyser.figures()["reanalysis/rows"] == 0


def test_a_resumed_replay_is_judged_as_one_that_was_never_saved(tmp_path):
    whole, saved = (fill(new_replay(), 40) for _ in range(2))
    reanalyser_of(saved, num_rows=2)[0].serve(1, never)
    save_file(held(saved), tmp_path / "replay.safetensors")
    resumed = new_replay()
    resumed.load_state_arrays(list_arrays(tmp_path / "replay.safetensors"))
    for replay, serves in ((whole, 2), (resumed, 1)):
        for number in range(2 - serves, 2):
            reanalyser, learner = reanalyser_of(replay, num_rows=2)
            learner.num_updates = 5 + number
            reanalyser.served_updates = 6 * number
            reanalyser.serve(1, never)
    for name, array in held(whole).items():
        np.testing.assert_array_equal(array, held(resumed)[name])


def test_figures_tell_share_age_and_cost():
    replay = fill(new_replay(), 20)
    reanalyser, learner = reanalyser_of(replay, num_rows=3)
    reanalyser.serve(0, never)
    learner.num_updates = 9
    figures = reanalyser.figures()
    num_steps = len(replay)
    assert figures["reanalysis/share"] == pytest.approx(15 / num_steps)
    assert figures["reanalysis/age_updates"] == pytest.approx(9 - 15 * 5 / num_steps)
    assert figures["reanalysis/rows"] == 15
    assert figures["reanalysis/seconds"] > 0
    again = reanalyser.figures()
    assert (again["reanalysis/rows"], again["reanalysis/seconds"]) == (0, 0)


def test_a_network_that_has_diverged_is_refused():
    replay = fill(new_replay(), 20)
    reanalyser, learner = reanalyser_of(replay)
    with torch.no_grad():
        next(learner.target_network.parameters()).fill_(torch.nan)
    with pytest.raises(SearchError, match="not all finite"):
        reanalyser.serve(1, never)
