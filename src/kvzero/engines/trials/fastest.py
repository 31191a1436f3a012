"""Which of several ways to search is the fastest that finds what a reference finds; it knows none of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from subprocess import SubprocessError
from typing import Protocol, runtime_checkable

from kvzero.engines.config import EnginePlan
from kvzero.errors import KvzeroError
from kvzero.search import Outcome

__all__ = ["Candidate", "Choice", "Measure", "Trial", "Verdict", "choose_fastest"]


@runtime_checkable  # the shape checks of the test session ask isinstance
class Trial(Protocol):
    """One way to search, ready to search a sample again and again."""

    def search(self) -> Outcome:
        """Search the sample; the outcome is there when this returns."""


Measure = Callable[[Trial], float]
Distance = Callable[[Outcome, Outcome], float]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to search."""

    plan: EnginePlan
    """What it is."""

    build: Callable[[], Trial]
    """Makes it ready; raises where it cannot serve."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a trial came to."""

    plan: EnginePlan
    seconds: float = inf
    """Of one search of the sample; infinite where it is not taken."""

    fault: str | None = None
    """Why it is not taken; None where it finds what the reference finds."""

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.plan}: {self.fault or f'{1000 * self.seconds:.2f} ms'}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is taken, and why."""

    plan: EnginePlan
    verdicts: tuple[Verdict, ...]
    """Of all candidates, that of the reference first."""

    @property
    def has_faults(self) -> bool:
        """Whether a candidate failed, or found something else."""
        return any(verdict.fault is not None for verdict in self.verdicts)

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.plan} ({'; '.join(map(str, self.verdicts))})"


def choose_fastest(
    reference: Candidate, others: Sequence[Candidate], *, measure: Measure, distance: Distance, tolerance: float
) -> Choice:
    """Return the fastest of all candidates that are no further from the reference than `tolerance`.

    One that raises what an engine, a compiler or a device may raise is left out. `measure` gives the seconds of one
    search, `distance` how far two outcomes are apart; a distance that is not a number is too far.

    Raises:
        Exception: whatever the reference raises, as there is nothing then to hold others against.
    """
    trial = reference.build()
    wanted = trial.search()
    verdicts = [Verdict(reference.plan, measure(trial))]
    verdicts += [_try(candidate, wanted, measure, distance, tolerance) for candidate in others]
    return Choice(min(verdicts, key=lambda verdict: verdict.seconds).plan, tuple(verdicts))


def _try(candidate: Candidate, wanted: Outcome, measure: Measure, distance: Distance, tolerance: float) -> Verdict:
    try:
        trial = candidate.build()
        apart = distance(trial.search(), wanted)
        if not apart <= tolerance:
            return Verdict(candidate.plan, fault=f"differs by {apart:.2g}, where {tolerance:g} is allowed")
        return Verdict(candidate.plan, measure(trial))
    except (KvzeroError, RuntimeError, OSError, SubprocessError) as error:
        return Verdict(candidate.plan, fault=f"fails with {type(error).__name__}: {str(error).partition(chr(10))[0]}")
