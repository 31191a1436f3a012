"""Whether all variants plan alike: one records a stream of observations, all plan for it, the plans are compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from kvzero.reports.comparison import Identity
from kvzero.training.comparison.compared_run import ComparedRun
from kvzero.training.comparison.probe import Precision, compare_plans

__all__ = ["Identities", "measure_identity"]


@dataclass(slots=True)
class Identities:
    """What was found, and for which variants nothing could be."""

    found: list[Identity] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Variants, and why."""


def measure_identity(
    folder: Path, runs: Sequence[ComparedRun], say: Callable[[str], None], should_stop: Callable[[], bool]
) -> Identities:
    """Compare the plans of one run of each variant; the first that is alive is what others are held against.

    It has been saved: its checkpoint gives the weights. Streams and plans stay in `folder`.
    """
    firsts = _first_of_each(runs)
    reference = next((each for each in firsts if each.is_alive and each.checkpoint), None)
    identities = Identities()
    if len(firsts) < 2:
        return identities
    if reference is None or reference.checkpoint is None:
        return _all_missing(firsts, "no run was left to give the weights")
    if should_stop():
        return _all_missing(firsts, "stopped before")
    stream = folder / "stream.safetensors"
    say(f"comparing plans with the weights of {reference.variant}")
    if not reference.record_stream(reference.checkpoint, stream):
        return _all_missing(firsts, f"{reference.variant} could not record: {reference.failure}")
    for precision in get_args(Precision):
        _compare(precision, identities, firsts, reference, stream)
    return identities


def _first_of_each(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """Return one run of each variant: the first that is alive, or the first of all."""
    firsts: dict[str, ComparedRun] = {}
    for each in runs:
        if each.variant not in firsts or (each.is_alive and not firsts[each.variant].is_alive):
            firsts[each.variant] = each
    return list(firsts.values())


def _all_missing(firsts: Sequence[ComparedRun], reason: str) -> Identities:
    return Identities(missing={each.variant: reason for each in firsts})


def _compare(
    precision: Precision,
    identities: Identities,
    firsts: Sequence[ComparedRun],
    reference: ComparedRun,
    stream: Path,
) -> None:
    """Let all plan in one precision; what cannot is missing."""
    held = _plan(reference, reference, stream, precision)
    for each in firsts:
        if each is reference:
            continue
        plans = None if held is None else _plan(each, reference, stream, precision)
        if held is None or plans is None:
            identities.missing.setdefault(each.variant, f"{each.failure or reference.failure} ({precision})")
        else:
            names = (each.variant, reference.variant)
            identities.found.append(compare_plans(*names, precision, plans, held, stream))


def _plan(each: ComparedRun, reference: ComparedRun, stream: Path, precision: Precision) -> Path | None:
    """Let one variant plan; return the file with its plans."""
    path = stream.with_name(f"{each.variant}-{precision}.safetensors")
    if reference.checkpoint is None:
        return None
    return path if each.plan_stream(stream, reference.checkpoint, path, precision) else None
