"""What reanalysers find is written at the same place at any speed: a crew of fakes that answer when chance says so."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.learning.reanalysis.test_reanalyser import AGENT, fill, held, never, new_replay, searched_step
from tests.training.samples import LEARNER, SPEC, tiny_network

from kvzero.agent import Findings
from kvzero.errors import SearchError
from kvzero.training import Learner
from kvzero.training.distributed.actors import Actors, Lost
from kvzero.training.distributed.reanalysers.crew import ReanalyserCrew
from kvzero.training.distributed.reanalysers.messages import Found
from kvzero.training.distributed.refusals import Refusal
from kvzero.training.distributed.weights import WeightsBoard
from kvzero.training.learning import Docket

NUM_ROWS, BLOCK = 7, 2
FORM = Findings.form(SPEC, AGENT)


class FakeActors(Actors):
    """Reanalysers that find what seed and weights say at once, and are heard, or lost, when chance says so."""

    def __init__(self, num_actors, seed, *, loss=0.1):
        self.num_restarts = [0] * num_actors
        self.orders, self.asked = {}, []
        self._chance, self._loss = np.random.default_rng(seed), loss

    def __len__(self):
        return len(self.num_restarts)

    def name(self, number):
        return f"reanalyser {number}"

    def ask(self, number, method, order, weights, *, usual_seconds):
        assert number not in self.orders, "it was asked while it was busy"
        self.orders[number] = order, weights
        self.asked.append((number, order, weights))

    def receive(self, numbers, seconds):
        heard = [number for number in numbers if self._chance.random() < 0.4]
        return {number: self._answer(*self.orders.pop(number)) for number in heard}

    def replace(self, number, cause):
        self.num_restarts[number] += 1

    def _answer(self, order, weights):
        if self._chance.random() < self._loss:
            return Lost("chance")
        rng, findings = np.random.default_rng(order.seed), []
        for batch in order.batches:
            records = np.zeros(len(batch.places), FORM)
            records["policy"] = rng.dirichlet(np.ones(SPEC.num_actions), len(records))
            records["value"] = weights.num_updates + order.discount
            findings.append(Findings(records))
        return Found(findings=findings, num_rows=order.num_rows, search_seconds=2.0, idle_seconds=1.0, rss_bytes=5)


class Refusing(FakeActors):
    """Reanalysers whose network has diverged."""

    def _answer(self, order, weights):
        return Refusal("there", SearchError("it is not finite"))


def crew_of(actors, *, has_lag, num_steps=20):
    """Return a crew for a learner that has made 5 updates, and its replay."""
    learner = Learner(tiny_network(3), LEARNER, discount=0.9, total_updates=50)
    learner.num_updates = 5
    replay = fill(new_replay(), num_steps)
    crew = ReanalyserCrew(
        actors,
        WeightsBoard(lambda weights: weights),
        Docket(learner, replay, num_rows=NUM_ROWS),
        learner=learner,
        has_lag=has_lag,
        seed_of=lambda *salt: sum(7**place * number for place, number in enumerate(salt, start=1)),
        served_updates=5,
    )
    return crew, learner, replay


def update(learner):
    """Stand for a block of updates."""
    learner.num_updates += BLOCK
    with torch.no_grad():
        learner.target_network.action_table.weight.add_(0.01)


def play(actors, *, has_lag, num_blocks=4):
    """Make some blocks of updates, with steps between them that go over the oldest rows; return crew and replay."""
    crew, learner, replay = crew_of(actors, has_lag=has_lag)
    rng = np.random.default_rng(2)
    for _ in range(num_blocks):
        assert crew.serve(BLOCK, never)
        update(learner)
        for _ in range(3):
            replay.add(searched_step(rng, SPEC, num_updates=learner.num_updates))
    return crew, replay


@settings(max_examples=15)
@given(num_actors=st.integers(1, 4), has_lag=st.booleans(), seed=st.integers(1, 1_000))
def test_rows_are_the_same_at_any_speed_and_whoever_is_lost(num_actors, has_lag, seed):
    (_, swift), (_, slow) = (
        play(FakeActors(num_actors, each, loss=loss), has_lag=has_lag) for each, loss in ((0, 0.0), (seed, 0.3))
    )
    for name, array in held(swift).items():
        np.testing.assert_array_equal(array, held(slow)[name])


@pytest.mark.parametrize(("has_lag", "judged_at"), [(False, 5), (True, 0)])
def test_with_lag_a_block_begins_without_its_own_rows_and_the_next_one_finds_them(has_lag, judged_at):
    crew, learner, replay = crew_of(FakeActors(2, 0), has_lag=has_lag)
    crew.serve(BLOCK, never)
    assert crew.served_updates == (5 if has_lag else 5 + BLOCK)
    assert replay.steps_of("judged_at").max() == judged_at
    update(learner)
    crew.serve(BLOCK, never)
    judged = replay.steps_of("judged_at")
    assert np.count_nonzero(judged == 5) == NUM_ROWS * BLOCK  # by the weights that were ordered, not by those of now
    assert (replay.steps_of("search_values")[judged == 5] == np.float32(5.9)).all()


def test_every_row_is_ordered_once_and_all_reanalysers_have_their_share():
    actors = FakeActors(3, 0, loss=0.0)
    play(actors, has_lag=True)
    for block in range(4):
        shares = actors.asked[3 * block : 3 * block + 3]
        assert [number for number, _, _ in shares] == [0, 1, 2]
        places = [place for _, order, _ in shares for batch in order.batches for place in batch.places.tolist()]
        assert len(set(places)) == len(places) == NUM_ROWS * BLOCK
        assert len({order.seed for _, order, _ in shares}) == 3
        assert {weights.num_updates for _, _, weights in shares} == {5 + BLOCK * block}


def test_rows_that_others_were_written_over_meanwhile_are_left_alone_and_counted():
    crew, learner, replay = crew_of(FakeActors(2, 0), has_lag=True, num_steps=60)
    crew.serve(BLOCK, never)
    update(learner)
    fill(replay, 60, seed=3, num_updates=learner.num_updates)
    before = held(replay)
    crew._take_in(never)
    for name, array in held(replay).items():
        np.testing.assert_array_equal(array, before[name])
    assert crew.figures()["reanalysers/overwritten_rows"] == NUM_ROWS * BLOCK


def test_a_stop_ends_the_wait_which_goes_on_where_it_was():
    actors = FakeActors(2, 0, loss=0.0)
    crew, _, replay = crew_of(actors, has_lag=False)
    before = held(replay)
    assert not crew.serve(BLOCK, lambda: True)
    assert crew.served_updates == 5
    for name, array in held(replay).items():
        np.testing.assert_array_equal(array, before[name])
    assert crew.serve(BLOCK, never)
    assert crew.served_updates == 5 + BLOCK
    assert len(actors.asked) == 2


def test_what_is_under_way_is_ordered_again_by_a_session_that_goes_on():
    crew, learner, _ = crew_of(FakeActors(1, 0), has_lag=True)
    crew.serve(BLOCK, never)
    actors = FakeActors(1, 0)
    resumed, learner, _ = crew_of(actors, has_lag=True)
    resumed.served_updates = crew.served_updates
    learner.num_updates += BLOCK
    resumed.serve(BLOCK, never)
    assert actors.asked[0][1].num_rows == 2 * NUM_ROWS * BLOCK


def test_a_network_that_has_diverged_is_refused_by_name():
    crew, _, _ = crew_of(Refusing(1, 0), has_lag=False)
    with pytest.raises(SearchError, match="reanalyser 0 on there: it is not finite"):
        crew.serve(BLOCK, never)


def test_figures_tell_of_each_and_begin_anew():
    crew, _ = play(FakeActors(2, 0), has_lag=False)
    figures = crew.figures()
    assert figures["reanalysis/rows"] == 4 * NUM_ROWS * BLOCK
    assert figures["reanalysis/seconds"] == 2 * 4 * 2.0
    assert figures["reanalyser/0/rows_per_second"] + figures["reanalyser/1/rows_per_second"] == NUM_ROWS * BLOCK / 2
    assert figures["reanalyser/1/idle_seconds"] == 4.0
    assert figures["reanalyser/1/rss_bytes"] == 5
    assert figures["reanalysers/restarts"] == sum(crew._actors.num_restarts)
    assert figures["reanalysers/learner_idle_seconds"] > 0
    assert "reanalyser/0/rows_per_second" not in crew.figures()
