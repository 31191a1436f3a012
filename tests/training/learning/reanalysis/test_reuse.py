"""Reanalysis takes again what was found by the same draws, or lately: never another's, never too old."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.cache.test_result_cache import DictTier
from tests.training.learning.reanalysis.test_reanalyser import (
    AGENT,
    NUM_SAMPLED,
    REACH,
    SPEC,
    STEP,
    fill,
    held,
    never,
    new_replay,
)
from tests.training.samples import LEARNER, tiny_network

from kvzero import AgentConfig, SearchConfig
from kvzero.cache import ResultCache
from kvzero.engines import SamplingConfig
from kvzero.errors import ConfigError
from kvzero.records import EnvSpec
from kvzero.replay import Chunks, Replay
from kvzero.training import Learner, Reanalyser
from kvzero.training.learning.reanalysis import docket as docket_module
from kvzero.training.learning.reanalysis.reuse import _digest_batch

DRAWN = replace(AGENT, sampling=SamplingConfig(num_sampled_actions=NUM_SAMPLED, num_wide_actions=2))
GUMBEL = replace(AGENT, search=SearchConfig(num_simulations=6, rule="gumbel"))
SEARCHES = pytest.mark.parametrize(
    ("agent", "spec"), [(AGENT, SPEC), (GUMBEL, SPEC), (DRAWN, REACH)], ids=["puct", "gumbel", "continuous"]
)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Have several batches in one small replay."""
    monkeypatch.setattr(docket_module, "ROWS_AT_ONCE", 16)


def reanalyser_of(
    replay: Replay,
    results: ResultCache | None,
    *,
    agent: AgentConfig = AGENT,
    spec: EnvSpec = SPEC,
    seed: int = 0,
    num_rows: int = 1_000,
) -> tuple[Reanalyser, Learner]:
    learner = Learner(tiny_network(3, spec=spec), LEARNER, discount=0.9, total_updates=50)
    learner.num_updates = 5
    seed_of = lambda served: 7 * served + seed  # noqa: E731
    return Reanalyser(learner, replay, agent, num_rows=num_rows, seed_of=seed_of, results=results), learner


def judge(results: ResultCache | None, **settings) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Search a replay of more rows than are searched together; return what it then holds, and the figures."""
    replay = fill(new_replay(settings.get("spec", SPEC)), 55, spec=settings.get("spec", SPEC))
    reanalyser, _ = reanalyser_of(replay, results, **settings)
    reanalyser.serve(1, never)
    return held(replay), reanalyser.figures()


def assert_same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []


@SEARCHES
def test_exact_results_change_no_bit_whether_found_or_not(agent, spec):
    tier = DictTier()
    plain, _ = judge(None, agent=agent, spec=spec)
    first, searched = judge(ResultCache(tier=tier), agent=agent, spec=spec)
    again, found = judge(ResultCache(tier=tier), agent=agent, spec=spec)
    assert_same(plain, first)
    assert_same(plain, again)
    assert searched["reanalysis/rows"] == found["reanalysis/reused_rows"] > 2 * 16
    assert searched["reanalysis/reused_rows"] == found["reanalysis/rows"] == 0
    assert found["reanalysis/reused_age_max"] == 0
    assert found["results/tier_hits"] == searched["results/misses"] > 2


def test_what_follows_a_found_batch_draws_as_after_a_search():
    """Whichever batch is lost, it is searched again with the random numbers that are its."""
    tier = DictTier()
    plain, _ = judge(ResultCache(tier=tier), agent=GUMBEL)
    for place, entry in list(tier.entries.items()):
        del tier.entries[place]
        again, figures = judge(ResultCache(tier=tier), agent=GUMBEL)
        assert (figures["results/misses"], figures["results/hits"]) == (1, len(tier.entries) - 1)
        assert_same(plain, again)
        assert tier.entries[place].payload == entry.payload


def change_a_weight(learner: Learner) -> None:
    with torch.no_grad():
        next(learner.target_network.latent_head.parameters()).view(-1)[0].add_(1e-6)


@pytest.mark.parametrize("change", ["nothing", "seed", "weight", "discount", "simulations", "row", "mask", "threads"])
def test_exact_results_are_those_of_the_same_batch_weights_and_draws(change, monkeypatch):
    results, replay = ResultCache(), fill(new_replay(), 7)
    reanalyser_of(fill(new_replay(), 7), results)[0].serve(1, never)
    agent = replace(AGENT, search=SearchConfig(num_simulations=7)) if change == "simulations" else AGENT
    reanalyser, learner = reanalyser_of(replay, results, seed=int(change == "seed"), agent=agent)
    if change == "weight":
        change_a_weight(learner)
    if change == "discount":
        monkeypatch.setattr(Learner, "discount", property(lambda _: 0.8))
    fields = replay._rows.fields
    if change == "row":
        fields["observations"][0, 3, 0] += 1e-6
    if change == "mask":
        fields["action_masks"][0, 3, 1] ^= True
    if change == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    reanalyser.serve(1, never)
    assert reanalyser.figures()["reanalysis/reused_rows"] == (14 if change == "nothing" else 0)


def test_whatever_a_batched_search_depends_on_is_in_its_key():
    rows, is_row = np.zeros((1, 4, 3), np.float32), np.array([[False, True, True, True]])
    batch = Chunks(
        fields={"observations": rows}, is_valid=is_row, is_root=is_row, places=np.arange(3), numbers=np.arange(3)
    )
    drawn = np.random.default_rng(0)
    drawn.integers(2, dtype=np.uint32)  # half of a draw is kept for the next one
    others = [
        (replace(batch, fields={"observations": rows + 1}), np.random.default_rng(0)),
        (replace(batch, is_valid=np.ones((1, 4), bool)), np.random.default_rng(0)),
        (replace(batch, is_root=np.array([[False, False, True, True]])), np.random.default_rng(0)),
        (batch, np.random.default_rng(1)),
        (batch, drawn),
    ]
    keys = [_digest_batch(*each) for each in [(batch, np.random.default_rng(0)), *others]]
    assert keys[0] == _digest_batch(batch, np.random.default_rng(0))
    assert len(set(keys)) == len(keys)


@SEARCHES
def test_recent_results_are_taken_as_they_were_found_until_they_are_too_old(agent, spec):
    results, replay = ResultCache(max_age_updates=3), fill(new_replay(spec), 30, spec=spec)
    reanalyser, learner = reanalyser_of(replay, results, agent=agent, spec=spec)
    reanalyser.serve(1, never)
    num_rows = reanalyser.figures()["reanalysis/rows"]
    before = held(replay)
    for age in (1, 3):
        learner.num_updates = 5 + age
        change_a_weight(learner)
        reanalyser.serve(1, never)
        figures = reanalyser.figures()
        assert (figures["reanalysis/rows"], figures["reanalysis/reused_rows"]) == (0, num_rows)
        assert figures["reanalysis/reused_age_mean"] == figures["reanalysis/reused_age_max"] == age
        assert_same(before, held(replay))
        assert figures["reanalysis/age_updates"] == age
    learner.num_updates = 9
    reanalyser.serve(1, never)
    figures = reanalyser.figures()
    assert (figures["reanalysis/rows"], figures["reanalysis/reused_rows"]) == (num_rows, 0)
    assert (replay.steps_of("judged_at") == 9).all()


def test_rows_that_are_new_are_searched_beside_those_that_are_known():
    """They get what a search of all would give them, up to chance that is none here, and rounding."""
    results, replay = ResultCache(max_age_updates=3), fill(new_replay(), 12)
    reanalyser, learner = reanalyser_of(replay, results)
    reanalyser.serve(1, never)
    num_known = reanalyser.figures()["reanalysis/rows"]
    fill(replay, 9, seed=1, num_updates=5)
    learner.num_updates = 6
    reanalyser.serve(1, never)
    figures = reanalyser.figures()
    assert figures["reanalysis/reused_rows"] == num_known
    assert figures["reanalysis/rows"] == len(replay) - num_known > 5
    twin = fill(fill(new_replay(), 12), 9, seed=1, num_updates=5)
    other, learner = reanalyser_of(twin, None)
    learner.num_updates = 6
    other.serve(1, never)
    np.testing.assert_array_equal(replay.steps_of("policies"), twin.steps_of("policies"))
    np.testing.assert_allclose(replay.steps_of("search_values"), twin.steps_of("search_values"), atol=1e-5)


def test_recent_results_are_those_of_the_same_legal_actions():
    results, replay = ResultCache(max_age_updates=1), fill(new_replay(), 7)
    reanalyser_of(fill(new_replay(), 7), results)[0].serve(1, never)
    replay._rows.fields["action_masks"][0, 3, 1] ^= True
    reanalyser, _ = reanalyser_of(replay, results)
    reanalyser.serve(1, never)
    figures = reanalyser.figures()
    assert (figures["reanalysis/rows"], figures["reanalysis/reused_rows"]) == (1, 13)


def test_recent_results_are_those_of_the_same_history_as_far_back_as_it_counts():
    num_steps, reach = 20, AGENT.model.layout.history_steps
    results, replay = ResultCache(max_age_updates=1), fill(new_replay(), num_steps)
    reanalyser_of(fill(new_replay(), num_steps), results)[0].serve(1, never)
    is_step = replay._rows.kinds[0] == STEP
    row = next(row for row in range(num_steps) if is_step[row : row + reach + 2].all())
    replay._rows.fields["actions"][0, row] ^= 1
    reanalyser, _ = reanalyser_of(replay, results)
    reanalyser.serve(1, never)
    assert reanalyser.figures()["reanalysis/rows"] == reach == 3


def test_equal_histories_in_different_rows_share_a_result():
    results, replay, same = ResultCache(max_age_updates=1), new_replay(), new_replay()
    fill(replay, 7)
    for _ in range(2):
        fill(same, 7)
        same.end_running_episodes()
    reanalyser, _ = reanalyser_of(replay, results)
    reanalyser.serve(1, never)
    reanalyser, _ = reanalyser_of(same, results)
    reanalyser.serve(1, never)
    figures = reanalyser.figures()
    assert (figures["reanalysis/rows"], figures["reanalysis/reused_rows"]) == (0, len(same.steps_of("policies")))


def test_a_row_keeps_what_newer_weights_found_of_it_than_those_whose_result_is_known():
    results, replay = ResultCache(max_age_updates=100), fill(new_replay(), 7)
    reanalyser, learner = reanalyser_of(replay, results)
    reanalyser.serve(1, never)
    replay.end_running_episodes()
    fill(replay, 7, num_updates=50)  # the same history once more
    learner.num_updates = 60
    change_a_weight(learner)
    reanalyser.figures()
    reanalyser.serve(1, never)
    figures, judged = reanalyser.figures(), replay.steps_of("judged_at")
    assert (figures["reanalysis/rows"], figures["reanalysis/reused_rows"]) == (0, len(judged))
    assert set(judged) == {5, 50}
    assert (replay.steps_of("search_values")[judged == 50] == 99).all()


def test_results_of_another_process_have_the_age_of_their_weights():
    """Both know the weights of before; what one found with them, the other finds under them alone."""
    tier = DictTier()
    first, learner = reanalyser_of(fill(new_replay(), 12), ResultCache(max_age_updates=4, tier=tier))
    first.serve(1, never)
    other, follower = reanalyser_of(fill(new_replay(), 12), ResultCache(max_age_updates=4, tier=tier), num_rows=1)
    other.serve(1, never)
    follower.num_updates = 7
    other._num_rows = 1_000
    change_a_weight(follower)
    other.figures()
    other.serve(1, never)
    assert other.figures()["reanalysis/reused_age_max"] == 2
    stranger, learner = reanalyser_of(fill(new_replay(), 12), ResultCache(max_age_updates=4, tier=tier))
    learner.num_updates = 7
    change_a_weight(learner)
    with torch.no_grad():
        learner.target_network.action_table.weight[0, 0].add_(1e-6)
    stranger.serve(1, never)
    assert stranger.figures()["reanalysis/reused_rows"] == 0


def test_roots_that_depend_on_more_than_history_are_refused_at_once():
    agent = replace(AGENT, model=replace(AGENT.model, positions="learned", window="shift"), store="pooled")
    learner = Learner(tiny_network(3, agent.model), LEARNER, discount=0.9, total_updates=50)
    with pytest.raises(ConfigError, match="choose window=rebuild"):
        Reanalyser(learner, new_replay(), agent, num_rows=1, seed_of=int, results=ResultCache())
