"""Figures reach the log, and everything reaches the observer."""

from kvzero.reports import FigureLog, read_metrics
from kvzero.training.session import Reporter


class Watching:
    def __init__(self):
        self.told = []

    def update(self, env_steps, *, updates, figures=None):
        self.told.append((env_steps, updates, figures))


def test_figures_are_logged_and_all_is_passed_on(tmp_path):
    observer = Watching()
    with FigureLog(tmp_path) as log:
        reporter = Reporter(log, observer)
        reporter.update(4, updates=1)
        reporter.update(8, updates=2, figures={"loss": 0.5})
        Reporter(log, None).update(12, updates=3, figures={"loss": 0.25})
    assert observer.told == [(4, 1, None), (8, 2, {"loss": 0.5})]
    assert read_metrics(tmp_path) == [{"env_steps": 8, "loss": 0.5}, {"env_steps": 12, "loss": 0.25}]
