"""A clock that stands still until told otherwise, and a run's folder to look at."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kvzero.reports import FigureLog, Summary


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def summary() -> Summary:
    return Summary(
        preset="cartpole",
        seed=3,
        env_steps=20_000,
        updates=4_900,
        wall_seconds=541.5,
        eval_return_mean=487.25,
        eval_returns=(500.0, 474.5),
        env_steps_per_second=36.9,
        updates_per_second=9.05,
        peak_rss_bytes=612_345_678,
        versions={"python": "3.11.7", "kvzero": "0.1.0"},
        dose=313.6,
        dormant_shares={"encoder": 0.125, "heads": 0.0},
        collect_share=0.4,
        reanalyse_share=0.2,
        collectors=3,
    )


@pytest.fixture
def write_metrics() -> Callable[[Path], None]:
    def write(run_dir: Path) -> None:
        with FigureLog(run_dir) as log:
            for step in range(100, 1_100, 100):
                log.write(step, {"train_return": 9.0 + step / 50, "loss": 5.0 - step / 400, "loss_value": float("nan")})
                if step % 500 == 0:
                    returns = {"eval_return_mean": step / 3, "eval_return_min": 20.0, "eval_return_max": step / 2}
                    log.write(step, returns)

    return write
