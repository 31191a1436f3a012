"""The order of steps and their lag at any speed: a crew of fakes that answer when chance says so."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.samples import NUM_ENVS, SPEC, random_step, tiny_config, tiny_learner

from kvzero.replay import Replay, ReplayConfig, build_row_spec
from kvzero.training.config import Exploration
from kvzero.training.distributed.actors import Actors, Lost
from kvzero.training.distributed.collectors.crew import Crew
from kvzero.training.distributed.collectors.messages import Report, Step
from kvzero.training.distributed.collectors.paces import AsTheyCome, InStep
from kvzero.training.distributed.collectors.source import _make_intake

TOTAL, ROUND = 90, 12


class FakeActors(Actors):
    """Collectors that do as they are told at once, and are heard, or lost, when chance says so."""

    def __init__(self, num_actors, seed):
        self.num_restarts = [0] * num_actors
        self.orders = {}
        self._rng = np.random.default_rng(seed)

    def __len__(self):
        return len(self.num_restarts)

    def incarnation(self, number):
        return self.num_restarts[number]

    def name(self, number):
        return f"collector {number}"

    def ask(self, number, method, order, weights, *, usual_seconds):
        assert number not in self.orders, "it was asked while it was busy"
        assert (order.begin is not None) == (order.label.sequence == 0)
        self.orders[number] = order, weights

    def num_ready(self, numbers):
        return 0

    def receive(self, numbers, seconds):
        heard = [number for number in numbers if self._rng.random() < 0.4]
        return {number: self._answer(number, *self.orders.pop(number)) for number in heard}

    def replace(self, number, cause):
        self.num_restarts[number] += 1

    def _answer(self, number, order, weights):
        if self._rng.random() < 0.1:
            return Lost("chance")
        steps = [Step(batch=random_step(self._rng), episodes=[]) for _ in order.explorations]
        return Report(
            label=order.label,
            host="here",
            version=weights.version,
            steps=steps,
            rng_state={"orders": order.label.sequence},
            collect_seconds=1.0,
            idle_seconds=0.0,
            rss_bytes=1,
            cache={},
        )


def as_it_is(weights):
    return weights


def play(tmp_path, make_pace, *, num_actors, lag, seed):
    """Collect a run with weights that change after each round; return crew, replay, lag of each report, and steps."""
    config = tiny_config(tmp_path, total_env_steps=TOTAL, round_env_steps=ROUND)
    learner, spec = tiny_learner(), build_row_spec(SPEC)
    replay = Replay(ReplayConfig(replay_capacity=4_000), spec, num_envs=num_actors * NUM_ENVS, seed=0)
    actors, lags = FakeActors(num_actors, seed), []
    intakes = [_make_intake(number, config, learner, replay) for number in range(num_actors)]
    crew = Crew(as_it_is, actors, intakes, config=config, learner=learner, env_steps=0, rng_states=[{}] * num_actors)
    fetch = crew.fetch
    crew.fetch = lambda number: lags.append(crew.version - (report := fetch(number)).version) or report
    pace, env_steps = make_pace(crew, config.schedule, lag=lag), 0
    while env_steps < TOTAL:
        for step in pace.collect(env_steps, lambda: False):
            env_steps += step.num_env_steps
        with torch.no_grad():
            learner.network.action_table.weight.add_(0.01)
    return crew, replay, lags, env_steps


@settings(max_examples=20)
@given(num_actors=st.integers(1, 5), lag=st.integers(2, 4), seed=st.integers(0, 1_000))
def test_steps_that_come_as_they_come_are_never_older_than_the_lag(tmp_path_factory, num_actors, lag, seed):
    crew, replay, lags, env_steps = play(
        tmp_path_factory.mktemp("run"), AsTheyCome, num_actors=num_actors, lag=lag, seed=seed
    )
    assert max(lags) <= lag
    assert len(replay) == env_steps == TOTAL
    assert crew.env_steps_ordered == 0


@settings(max_examples=10)
@given(num_actors=st.integers(1, 5), lag=st.integers(0, 1), seed=st.integers(0, 1_000))
def test_steps_in_step_have_the_lag_from_the_second_round_on(tmp_path_factory, num_actors, lag, seed):
    crew, replay, lags, env_steps = play(
        tmp_path_factory.mktemp("run"), InStep, num_actors=num_actors, lag=lag, seed=seed
    )
    assert set(lags[:num_actors]) == {0}
    assert max(lags) <= lag
    if not sum(crew._actors.num_restarts):
        assert set(lags[num_actors:]) == {lag}
    assert len(replay) == env_steps
    assert 0 <= env_steps - TOTAL < num_actors * NUM_ENVS


def test_a_stop_leaves_what_was_ordered_to_be_taken_in_later(tmp_path):
    config = tiny_config(tmp_path, total_env_steps=TOTAL, round_env_steps=ROUND)
    learner = tiny_learner()
    replay = Replay(ReplayConfig(replay_capacity=400), build_row_spec(SPEC), num_envs=2 * NUM_ENVS, seed=0)
    intakes = [_make_intake(number, config, learner, replay) for number in range(2)]
    crew = Crew(as_it_is, FakeActors(2, 0), intakes, config=config, learner=learner, env_steps=0, rng_states=[{}, {}])
    pace = InStep(crew, config.schedule, lag=0)
    assert list(pace.collect(0, lambda: True)) == []
    assert crew.env_steps_ordered == ROUND
    steps = list(pace.collect(0, lambda: False))
    assert sum(step.num_env_steps for step in steps) == ROUND == len(replay)
    assert sum(step.seconds for step in steps) == pytest.approx(2.0)  # one second each, as the collectors report


def test_a_report_that_is_not_the_next_one_is_refused(tmp_path):
    config, learner = tiny_config(tmp_path), tiny_learner()
    replay = Replay(ReplayConfig(replay_capacity=400), build_row_spec(SPEC), num_envs=NUM_ENVS, seed=0)
    intake, actors = _make_intake(0, config, learner, replay), FakeActors(1, 1)
    crew = Crew(as_it_is, actors, [intake], config=config, learner=learner, env_steps=0, rng_states=[{}])
    crew.look()
    crew.order(0, [Exploration(1.0)] * 2)
    crew.wait([0], for_all=True, should_stop=lambda: False)
    report = crew.fetch(0)
    assert sum(step.num_env_steps for step in crew.store(report)) == 2 * NUM_ENVS
    with pytest.raises(RuntimeError, match="came where"):
        list(crew.store(report))
    assert len(replay) == 2 * NUM_ENVS
