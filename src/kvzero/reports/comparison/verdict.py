"""The verdict of a comparison in words: which variant failed, is slower, or differs in its results."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from kvzero.reports.comparison.figures import cold_laps, ratios
from kvzero.reports.comparison.records import Comparison, Identity
from kvzero.reports.comparison.spread import Spread, spread

__all__ = ["SLOWER", "TOLERANCE", "Finding", "Verdict", "judge"]

SLOWER = 0.05
"""Share of time by which a variant may take longer than another without being named."""

TOLERANCE = 1e-5
"""Largest difference between predictions that are the same but for rounding, in float32."""

TURNED = 0.02
"""Share of searches that rounding may turn in float32 where none differs in float64."""

Kind = Literal["failed", "differs", "slower", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is held against a variant."""

    kind: Kind
    variant: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison comes to: all that has to be named, the gravest first, and one sentence on the whole."""

    findings: tuple[Finding, ...]
    sentence: str

    @property
    def is_named(self) -> bool:
        """Whether anything is held against a variant, rather than not known of it."""
        return any(finding.kind != "unknown" for finding in self.findings)


def judge(comparison: Comparison) -> Verdict:
    """Name every variant that failed, whose results differ, or that is over 5 % slower than another."""
    findings = (
        *_failures(comparison),
        *_differences(comparison),
        *_slowness(comparison),
        *_gaps(comparison),
    )
    return Verdict(findings, _sentence(comparison, findings))


def _failures(comparison: Comparison) -> Iterator[Finding]:
    for run in comparison.runs:
        if run.failure is not None:
            reached = run.turns[-1].env_steps if run.turns else 0
            yield Finding("failed", run.variant, f"seed {run.seed} failed after {reached:,} steps: {run.failure}")


def _differences(comparison: Comparison) -> Iterator[Finding]:
    for identity in comparison.identities:
        if _is_different(identity, comparison):
            yield Finding("differs", identity.variant, _describe(identity))


def _is_different(identity: Identity, comparison: Comparison) -> bool:
    """Tell whether plans differ by more than rounding.

    Rounding in float32 can turn a search where two actions are as good as equal, so that the plans below the roots are
    judged in float64, where they were compared there; in float32 few may differ then.
    """
    precisions = {other.precision for other in comparison.identities if other.variant == identity.variant}
    if identity.max_logit_difference > TOLERANCE:
        return True
    if identity.precision == "float32" and "float64" in precisions:
        return identity.num_differing_searches > TURNED * identity.num_searches
    return identity.num_differing_searches > 0 or identity.max_value_difference > TOLERANCE


def _describe(identity: Identity) -> str:
    return (
        f"plans differ from those of {identity.reference} in {identity.precision} on the same observations: "
        f"root logits by up to {identity.max_logit_difference:.2g}, "
        f"root values by up to {identity.max_value_difference:.2g}, "
        f"visit counts by up to {identity.max_visit_difference} "
        f"in {identity.num_differing_searches:,} of {identity.num_searches:,} searches"
    )


def _slowness(comparison: Comparison) -> Iterator[Finding]:
    names = [variant.name for variant in comparison.variants]
    for name in names:
        rivals = [
            (found, other) for other in names if other != name and (found := spread(ratios(comparison, name, other)))
        ]
        if rivals:
            worst, rival = max(rivals, key=lambda pair: pair[0].median)
            if worst.median > 1 + SLOWER:
                collecting = spread(ratios(comparison, name, rival, seconds=attrgetter("collect_seconds")))
                yield Finding("slower", name, _describe_ratio(worst, rival, collecting, comparison))


def _describe_ratio(found: Spread, rival: str, collecting: Spread | None, comparison: Comparison) -> str:
    doubt = "; some laps say otherwise" if found.low <= 1 else ""
    text = (
        f"{100 * (found.median - 1):.1f} % slower than {rival} by the median of {found.num} laps and seeds "
        f"(from {100 * (found.low - 1):+.1f} to {100 * (found.high - 1):+.1f} % between the tenths{doubt})"
    )
    if collecting is not None and any(turn.num_updates for run in comparison.runs for turn in run.turns):
        change = collecting.median - 1
        text += (
            f"; collecting alone, where stores work, took {100 * abs(change):.1f} % {'more' if change > 0 else 'less'}"
        )
    if len(comparison.seeds) == 1:
        text += "; each was one process, and processes that do the same differ too: give more seeds to be sure"
    return text


def _gaps(comparison: Comparison) -> Iterator[Finding]:
    for variant, reason in comparison.unprobed.items():
        yield Finding("unknown", variant, f"whether its plans are those of the others was not measured: {reason}")
    if not cold_laps(comparison):
        for each in comparison.variants:
            yield Finding("unknown", each.name, "its speed was measured in the warm-up lap only, if at all")


def _sentence(comparison: Comparison, findings: tuple[Finding, ...]) -> str:
    words = {"failed": "Failed", "differs": "Different results", "slower": "Over 5 % slower than another"}
    named = {
        text: dict.fromkeys(finding.variant for finding in findings if finding.kind == kind)
        for kind, text in words.items()
    }
    parts = [f"{text}: {', '.join(variants)}." for text, variants in named.items() if variants]
    if not parts:
        limit = ", as far as was measured" if findings else ""
        parts = [f"None failed, none is over 5 % slower than another, and no results differ{limit}."]
    if comparison.is_stopped:
        parts.append("Stopped by hand before its end.")
    return " ".join(parts)
