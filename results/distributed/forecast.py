"""What costs that were measured say of many collectors: simulated, held against real runs, and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from simulation import Costs, bound, simulate

__all__ = ["LAG", "SIMULATED", "forecast", "tabulate"]

LAG = 1
SIMULATED = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of collectors that are told of, measured or not."""

COLUMNS = (
    "Collectors",
    "env steps/s, measured",
    "simulated",
    "times one process, simulated",
    "at most",
    "learner waits, simulated",
)


def forecast(costs: Costs, measured: Mapping[int, float]) -> dict[str, Any]:
    """Return what simulated runs make of these costs, beside env steps/s that real ones made with some numbers."""
    alone = costs.batch_steps / (costs.collect_mean + costs.update)
    runs = []
    for number in SIMULATED:
        run: dict[str, Any] = {
            "collectors": number,
            "simulated": asdict(simulate(costs, num_collectors=number, lag=LAG)),
        }
        run["gain"] = run["simulated"]["env_steps_per_second"] / alone
        run["bound"] = bound(costs, number)
        if number in measured:
            run["measured_env_steps_per_second"] = measured[number]
            run["error"] = run["simulated"]["env_steps_per_second"] / measured[number] - 1
        runs.append(run)
    return {"lag": LAG, "costs": asdict(costs), "runs": runs}


def tabulate(found: Mapping[str, Any]) -> str:
    """Return what stands in the guide: a table for each environment, and how far measured and simulated are apart."""
    parts = [_tabulate_one(name, each) for name, each in found["environments"].items()]
    machine = found["machine"]
    told = f"{machine['usable_cores']} processors, load {machine['load_average'][0]:g} when it began"
    return "\n".join([*parts, f"Measured on {machine['processor']}, {told}.", ""])


def _tabulate_one(name: str, found: Mapping[str, Any]) -> str:
    runs: Sequence[Mapping[str, Any]] = found["forecast"]["runs"]
    lines = [
        f"**{name}**",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'--:|' * len(COLUMNS)}",
        f"| none | {found['alone_env_steps_per_second']:,.0f} | - | 1 | 1 | - |",
        *[_row(run) for run in runs],
    ]
    furthest = max(abs(run["error"]) for run in runs if "error" in run)
    busy = max(found["busy_processors"].values())
    said = (
        f"Simulated and measured differ by {furthest:.0%} at most; what was measured kept {busy:.1f} processors busy. "
        f"In turns with one process, {found['collectors']} collectors made {found['ratio']:.2f} times its steps."
    )
    return "\n".join([*lines, "", said, ""])


def _row(run: Mapping[str, Any]) -> str:
    measured = run.get("measured_env_steps_per_second")
    simulated = run["simulated"]
    cells = [
        f"{run['collectors']}",
        "-" if measured is None else f"{measured:,.0f}",
        f"{simulated['env_steps_per_second']:,.0f}",
        f"{run['gain']:.2f}",
        f"{run['bound']:.2f}",
        f"{simulated['learner_waits']:.0%}",
    ]
    return f"| {' | '.join(cells)} |"
