"""Results of runs that were never made."""

from kvzero.reports.results import RunResult

TASK = "popgym-RepeatPreviousEasy-v0"
"""A task whose scores have a reference: -0.5 and 1."""


def result(score: float, seed: int, *, task: str = TASK, preset: str = "memory", **settings: object) -> RunResult:
    """Return a run that ended with two games around this score."""
    return RunResult(
        folder=f"{preset}-{seed}",
        task=task,
        preset=preset,
        seed=seed,
        settings={"seed": seed, "env_id": task, "batch_size": 64, "context_tokens": 32, **settings},
        command=f"kvzero train {preset} --seed {seed}",
        curve=((50, score / 4), (100, score)),
        final_returns=(score - 0.125, score + 0.125),
        env_steps=100,
        updates=25,
        wall_seconds=90.0 + 30 * seed,
        env_steps_per_second=1.25,
        updates_per_second=0.5,
        peak_rss_bytes=500_000_000,
        dose=20.0,
        versions={"kvzero": "0.1.0", "torch": "2.13.0"},
    )
