"""Comparisons made by hand: every turn takes the time that a test gives it."""

from collections.abc import Mapping, Sequence

from kvzero.reports.comparison import Comparison, Ended, Identity, MeasuredRun, Turn, Variant

LAP_STEPS = 100
MEGABYTE = 1_000_000


def turn(lap: int, seconds: float, *, rss: int = 300 * MEGABYTE, on_device: int = 0) -> Turn:
    """Return a turn of 100 environment steps and 20 updates; three quarters of its time went into collecting."""
    return Turn(
        lap=lap,
        position=0,
        env_steps=LAP_STEPS * (lap + 1),
        num_env_steps=LAP_STEPS,
        num_updates=20,
        collect_seconds=0.75 * seconds,
        update_seconds=0.25 * seconds,
        rss_bytes=rss + lap * MEGABYTE,
        peak_rss_bytes=rss + 50 * MEGABYTE,
        peak_device_bytes=on_device,
    )


def run(
    variant: str,
    seconds: Sequence[float],
    *,
    seed: int = 0,
    failure: str | None = None,
    losses: Sequence[float | None] | None = None,
) -> MeasuredRun:
    """Return a run whose turns took so many seconds each; a game ends in every lap, with the lap as its return."""
    turns = tuple(turn(lap, spent) for lap, spent in enumerate(seconds))
    found = [2.0 - lap / 10 for lap in range(len(turns))] if losses is None else losses
    return MeasuredRun(
        variant=variant,
        seed=seed,
        folder=f"runs/{variant}-seed{seed}",
        turns=turns,
        curve=tuple(
            {
                "env_steps": float(each.env_steps),
                "loss": loss,
                "rss_bytes": float(each.rss_bytes),
                "cache/recur/hit_rate": 0.5 + each.lap / 10,
                "cache/global/regenerate_seconds": 0.1 * each.lap,
            }
            for each, loss in zip(turns, found, strict=True)
        ),
        games=tuple(Ended(env_steps=each.env_steps, raw_return=each.lap + 0.5, num_steps=40) for each in turns),
        failure=failure,
    )


def comparison(
    times: Mapping[str, Sequence[float]],
    *,
    runs: Sequence[MeasuredRun] | None = None,
    identities: Sequence[Identity] = (),
    unprobed: Mapping[str, str] | None = None,
    is_stopped: bool = False,
    resumed_after: tuple[int, ...] = (),
) -> Comparison:
    """Return a comparison of variants whose turns took these seconds, with one seed unless `runs` are given."""
    found = tuple(run(name, seconds) for name, seconds in times.items()) if runs is None else tuple(runs)
    return Comparison(
        preset="cartpole",
        command="kvzero compare cartpole --out <here>",
        env_steps=500,
        seeds=tuple(sorted({each.seed for each in found})),
        num_laps=5,
        num_threads=1,
        engine="eager",
        variants=tuple(Variant(name=name, store=name, settings={"pool_size": "20"}) for name in times),
        runs=found,
        identities=tuple(identities),
        unprobed=dict(unprobed or {}),
        resumed_after=resumed_after,
        is_stopped=is_stopped,
        started="2026-01-02 03:04 UTC",
        machine={"processor": "abacus"},
        versions={"python": "3.11.7"},
    )


def identity(
    variant: str,
    *,
    precision: str = "float64",
    logits: float = 0.0,
    values: float = 0.0,
    num_differing: int = 0,
) -> Identity:
    """Return what was found out about a variant's plans."""
    return Identity(
        variant=variant,
        reference="tree",
        precision=precision,
        num_searches=800,
        num_resets=17,
        max_logit_difference=logits,
        max_policy_difference=num_differing / 25,
        max_value_difference=values,
        max_visit_difference=num_differing,
        num_differing_searches=num_differing,
    )
