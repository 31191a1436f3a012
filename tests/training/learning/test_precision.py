"""The number type of updates: what is meant, what is measured, and that it is kept."""

from dataclasses import replace

import pytest
import torch
from tests.training.samples import LEARNER, filled_replay, tiny_learner

from kvzero.training.learning.precision import measure_precision, settle_precision

CPU = torch.device("cpu")
MEASURED = replace(LEARNER, precision="measured")


@pytest.mark.parametrize(
    ("precision", "wanted"),
    [("auto", "float32"), ("float32", "float32"), ("bfloat16", "bfloat16"), ("measured", None)],
)
def test_on_a_cpu_nothing_is_bfloat16_that_does_not_say_so(precision, wanted):
    assert settle_precision(precision, CPU) == wanted
    assert tiny_learner(replace(LEARNER, precision=precision)).number_type == wanted


class Machine:
    """A clock that a computation moves on, by as much as its number type takes; the first of each takes long."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.computed = []

    def compute(self, number_type: str) -> None:
        self.now += self.seconds[number_type] if number_type in self.computed else 100 / self.seconds[number_type]
        self.computed.append(number_type)


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        ({"float32": 2.0, "bfloat16": 1.5}, "bfloat16"),
        ({"float32": 2.0, "bfloat16": 40.0}, "float32"),
        ({"float32": 2.0, "bfloat16": 2.0}, "float32"),
    ],
)
def test_the_number_type_that_is_faster_once_it_is_warm_is_taken(seconds, wanted):
    machine = Machine(**seconds)
    assert measure_precision(machine.compute, clock=lambda: machine.now) == wanted
    assert machine.computed[2:6] == ["float32", "bfloat16"] * 2


@pytest.mark.parametrize("winner", ["float32", "bfloat16"])
def test_measuring_changes_no_weight_and_the_winner_is_used_from_the_first_update_on(winner, monkeypatch):
    def measure(compute):
        compute("float32")
        compute("bfloat16")
        return winner

    monkeypatch.setattr("kvzero.training.learning.learner.measure_precision", measure)
    learner, told = tiny_learner(MEASURED), tiny_learner(replace(LEARNER, precision=winner))
    segments = filled_replay().sample(4, num_steps=learner.segment_steps)
    for _ in range(3):
        learner.update(segments)
        told.update(segments)
    assert learner.number_type == winner
    for mine, other in zip(learner.network.parameters(), told.network.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_bfloat16_is_used_and_losses_stay_float32():
    exact, rounded = tiny_learner(), tiny_learner(replace(LEARNER, precision="bfloat16"))
    segments = filled_replay().sample(4, num_steps=exact.segment_steps)
    unrolls = [(learner, learner.bring(segments)) for learner in (exact, rounded)]
    wanted, found = (learner.forward(unroll, learner.make_targets(unroll))[0] for learner, unroll in unrolls)
    assert found.dtype == torch.float32
    assert found != wanted
    torch.testing.assert_close(found, wanted, atol=0.1, rtol=0.02)
