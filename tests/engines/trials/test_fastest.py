"""The fastest candidate that finds what the reference finds is taken; candidates, times and distances are given."""

from collections.abc import Callable
from dataclasses import dataclass
from subprocess import SubprocessError

import numpy as np
import pytest
from tests.search.models import PathModel, flat_roots, hashed_answers

from kvzero.engines import EnginePlan
from kvzero.engines.trials import Candidate, Choice, choose_fastest
from kvzero.errors import EngineError
from kvzero.search import Outcome, SearchConfig, search

EAGER, DEVICE, ONE_PASS = EnginePlan("eager"), EnginePlan("device"), EnginePlan("device", one_pass=True)


@dataclass
class FakeTrial:
    """Finds what it is told to, in the time that it is told to take."""

    outcome: Outcome
    seconds: float

    def search(self) -> Outcome:
        return self.outcome


def found(seed: int) -> Outcome:
    return search(flat_roots(2, 3), PathModel([hashed_answers(seed, env, 3) for env in range(2)]), CONFIG, rng=None)


CONFIG = SearchConfig(num_simulations=4)


def candidate(plan: EnginePlan, seconds: float, *, seed: int = 0) -> Candidate:
    return Candidate(plan, lambda: FakeTrial(found(seed), seconds))


def failing(plan: EnginePlan, error: Exception) -> Candidate:
    def fail() -> FakeTrial:
        raise error

    return Candidate(plan, fail)


def distance(one: Outcome, other: Outcome) -> float:
    return float(np.abs(one.values - other.values).max())


def choose(*candidates: Candidate, apart: Callable[[Outcome, Outcome], float] = distance) -> Choice:
    reference, *others = candidates
    return choose_fastest(reference, others, measure=lambda trial: trial.seconds, distance=apart, tolerance=1e-6)


@pytest.mark.parametrize(
    ("seconds", "wanted"), [((3.0, 2.0, 1.0), ONE_PASS), ((3.0, 1.0, 2.0), DEVICE), ((1.0, 2.0, 3.0), EAGER)]
)
def test_of_equal_candidates_the_fastest_is_taken(seconds: tuple[float, ...], wanted: EnginePlan) -> None:
    choice = choose(*(candidate(*pair) for pair in zip((EAGER, DEVICE, ONE_PASS), seconds, strict=True)))
    assert choice.plan == wanted
    assert not choice.has_faults


def test_one_that_finds_something_else_is_not_taken_however_fast_it_is() -> None:
    choice = choose(candidate(EAGER, 3.0), candidate(DEVICE, 2.0), candidate(ONE_PASS, 1.0, seed=1))
    assert choice.plan == DEVICE
    assert choice.has_faults
    assert "device, one_pass: differs by" in str(choice)
    assert str(choice).startswith("device (eager: 3000.00 ms; device: 2000.00 ms; ")


def test_where_the_distance_is_not_a_number_nothing_but_the_reference_is_taken() -> None:
    choice = choose(candidate(EAGER, 3.0), candidate(DEVICE, 2.0), apart=lambda *_: float("nan"))
    assert choice.plan == EAGER
    assert "differs by nan" in str(choice)


@pytest.mark.parametrize(
    "error", [EngineError("no tree here"), RuntimeError("out of memory\nat some place"), OSError(), SubprocessError()]
)
def test_one_that_fails_is_left_out_and_the_others_are_tried(error: Exception) -> None:
    choice = choose(candidate(EAGER, 3.0), failing(DEVICE, error), candidate(ONE_PASS, 1.0))
    assert choice.plan == ONE_PASS
    assert f"device: fails with {type(error).__name__}" in str(choice)
    assert "\n" not in str(choice)


def test_one_that_fails_in_its_search_is_left_out() -> None:
    class Broken(FakeTrial):
        def search(self) -> Outcome:
            raise RuntimeError("an illegal instruction")

    broken = Candidate(DEVICE, lambda: Broken(found(0), 1.0))
    assert choose(candidate(EAGER, 3.0), broken).plan == EAGER


def test_where_none_is_equal_the_reference_is_taken() -> None:
    choice = choose(candidate(EAGER, 3.0), candidate(DEVICE, 2.0, seed=1), failing(ONE_PASS, EngineError("no")))
    assert choice.plan == EAGER
    assert [verdict.fault is None for verdict in choice.verdicts] == [True, False, False]


def test_a_reference_that_fails_is_an_error_and_so_is_a_mistake_in_a_candidate() -> None:
    with pytest.raises(EngineError, match="no tree"):
        choose(failing(EAGER, EngineError("no tree")), candidate(DEVICE, 1.0))
    with pytest.raises(TypeError):
        choose(candidate(EAGER, 1.0), failing(DEVICE, TypeError("a mistake")))
