"""Updates that are replayed from a recording change weights as those do that are computed each time."""

import itertools
from dataclasses import replace

import pytest
import torch
from tests.training.learning.test_augmentation import image_learner, image_replay
from tests.training.samples import LEARNER, filled_replay, tiny_learner
from torch.utils._python_dispatch import TorchDispatchMode

from kvzero.training import Learner
from kvzero.training.learning.recorded import NUM_DIRECT, Made, RecordedUpdates


class Replayed:
    """A recording that fills the tensors of the recorded update, as a graph would."""

    def __init__(self, work, made):
        self._work, self._made = work, made

    def replay(self):
        found = self._work()
        for name, figure in self._made.figures.items():
            figure.copy_(found.figures[name])
        if found.value_errors is not None:
            self._made.value_errors.copy_(found.value_errors)


class Recorder:
    """Notes what it was asked; a recording is the work itself, a capture changes nothing and fills nothing."""

    def __init__(self, learner: Learner, *, fails: bool = False):
        self._learner, self._fails, self.asked = learner, fails, []

    def directly(self, work):
        self.asked.append("directly")
        return work()

    def record(self, work):
        self.asked.append("record")
        if self._fails:
            return None
        weighted, size = self._learner.value_errors is not None, 4
        names = self._learner.forward_names
        made = Made({name: torch.full((), torch.nan) for name in names}, torch.zeros(size) if weighted else None)
        return Replayed(work, made), made


def recorded(learner: Learner, **options) -> tuple[Learner, Recorder]:
    recorder = Recorder(learner, **options)
    learner._recorded = RecordedUpdates(recorder)
    compute = learner.compute

    def noting(unroll):
        made = compute(unroll)
        learner.forward_names = list(made.figures)
        return made

    learner.compute = noting
    return learner, recorder


def same_updates(learner: Learner, twin: Learner, batches) -> None:
    held = []
    for segments in batches:
        found, wanted = learner.update(segments), twin.update(segments)
        assert set(found) == set(wanted)
        held.append((found, wanted, learner.value_errors, twin.value_errors))
    for found, wanted, errors, other_errors in held:  # what was returned is not written over
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)
        assert (errors is None and other_errors is None) or torch.equal(errors, other_errors)
    for network, other in ((learner.network, twin.network), (learner.target_network, twin.target_network)):
        for mine, theirs in zip(network.parameters(), other.parameters(), strict=True):
            assert torch.equal(mine, theirs)
    assert learner.dormant_shares() == twin.dormant_shares()


def batches_of(replay, learner: Learner, count: int):
    return [replay.sample(4, num_steps=learner.segment_steps) for _ in range(count)]


def test_replayed_updates_are_those_that_are_computed():
    (learner, recorder), twin = recorded(tiny_learner()), tiny_learner()
    same_updates(learner, twin, batches_of(filled_replay(), twin, 8))
    assert recorder.asked == ["directly"] * NUM_DIRECT + ["record"]


def test_shifts_and_value_errors_are_those_of_each_batch():
    (learner, recorder), twin = recorded(image_learner()), image_learner()
    drawn = batches_of(image_replay(), twin, 7)
    weights = torch.linspace(0.25, 1, 4).numpy()
    same_updates(learner, twin, [replace(segments, weights=weights / (1 + n)) for n, segments in enumerate(drawn)])
    assert recorder.asked == ["directly"] * NUM_DIRECT + ["record"]
    assert learner.shift.rng_state() == twin.shift.rng_state()


def test_where_the_host_puts_in_something_else_updates_are_recorded_anew():
    config = replace(LEARNER, final_bootstrap_steps=1, annealing_updates=20, warmup_updates=5)
    (learner, recorder), twin = recorded(tiny_learner(config)), tiny_learner(config)
    steps = [twin.schedules.bootstrap_steps(number) for number in range(18)]
    same_updates(learner, twin, batches_of(filled_replay(), twin, 18))
    runs = [len(list(run)) for _, run in itertools.groupby(steps)]
    assert len(runs) == 2
    assert recorder.asked == ["directly", "directly", "directly", "record"] * 2


def test_where_nothing_can_be_recorded_updates_go_on_directly():
    (learner, recorder), twin = recorded(tiny_learner(), fails=True), tiny_learner()
    same_updates(learner, twin, batches_of(filled_replay(), twin, 6))
    assert recorder.asked == ["directly"] * NUM_DIRECT + ["record"] + ["directly"] * 3


class Watch(TorchDispatchMode):
    """Listens to operations that a recording cannot have: they wait for a number, or have shapes that depend on one."""

    def __init__(self):
        super().__init__()
        self.heard = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.heard.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("make", [tiny_learner, image_learner], ids=["vector", "image"])
def test_on_the_device_nothing_is_drawn_and_no_number_is_waited_for(make):
    learner = make()
    replay = filled_replay() if make is tiny_learner else image_replay()
    segments = replay.sample(4, num_steps=learner.segment_steps)
    learner.update(segments)
    unroll = learner.bring(segments)
    states = torch.get_rng_state(), learner.shift and learner.shift.rng_state()
    with Watch() as watch:
        learner.compute(unroll)
    assert len(watch.heard) > 30
    assert not watch.heard & {"_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "lift_fresh"}
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (learner.shift and learner.shift.rng_state()) == states[1]


@pytest.mark.gpu
def test_on_a_gpu_recorded_updates_are_those_that_are_launched():
    learners = []
    for _ in range(2):
        model = image_learner()
        learners.append(Learner(model.network.cuda(), model.config, discount=0.9, total_updates=50, seed=4))
    learner, twin = learners
    assert learner._recorded is not None
    twin._recorded = None
    for segments in batches_of(image_replay(), twin, 9):
        found, wanted = learner.update(segments), twin.update(segments)
        for name, figure in wanted.items():
            torch.testing.assert_close(found[name], figure, rtol=2e-2, atol=2e-2)
    assert learner._recorded._held is not None
    for mine, theirs in zip(learner.network.parameters(), twin.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=3e-2)
