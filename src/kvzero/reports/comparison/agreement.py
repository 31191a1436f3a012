"""How long two runs with one seed stayed the same: where their losses and returns first differ."""

from dataclasses import dataclass

from kvzero.reports.comparison.figures import runs_of
from kvzero.reports.comparison.records import Comparison, MeasuredRun
from kvzero.reports.figures import ENV_STEPS, LOSS, TRAIN_RETURN

__all__ = ["VISIBLE", "Agreement", "compare_curves"]

VISIBLE = 1e-3
"""Relative difference above which curves no longer lie on each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How one variant's training with one seed went beside the first variant's."""

    variant: str
    reference: str
    seed: int
    env_steps: int
    """Environment steps that both runs have made."""
    differs_from: int | None
    """Environment steps at which any digit of a loss or return differs first; None if none does."""
    visible_from: int | None
    """Environment steps at which the relative difference first exceeds 0.001; None if it never does."""


def compare_curves(comparison: Comparison) -> tuple[Agreement, ...]:
    """Compare every run with that of the first variant and the same seed."""
    reference, *others = [variant.name for variant in comparison.variants]
    firsts = {run.seed: run for run in runs_of(comparison, reference)}
    return tuple(
        _compare(run, firsts[run.seed])
        for other in others
        for run in runs_of(comparison, other)
        if run.curve and firsts[run.seed].curve
    )


def _compare(run: MeasuredRun, reference: MeasuredRun) -> Agreement:
    pairs = list(zip(run.curve, reference.curve, strict=False))
    gaps = [(int(line[ENV_STEPS] or 0), _gap(line, other)) for line, other in pairs]
    return Agreement(
        variant=run.variant,
        reference=reference.variant,
        seed=run.seed,
        env_steps=gaps[-1][0],
        differs_from=next((steps for steps, gap in gaps if gap > 0), None),
        visible_from=next((steps for steps, gap in gaps if gap > VISIBLE), None),
    )


def _gap(line: dict[str, float | None], other: dict[str, float | None]) -> float:
    """Return the largest relative difference between two lines of losses and returns."""
    names = {name for name in line | other if name.startswith((LOSS, TRAIN_RETURN))}
    return max((_relative(line.get(name), other.get(name)) for name in names), default=0.0)


def _relative(first: float | None, second: float | None) -> float:
    if first is None or second is None:
        return 0.0 if first is second else float("inf")
    return abs(first - second) / max(abs(first), abs(second), 1e-12)
