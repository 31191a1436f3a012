"""Figures reach the log, and everything reaches the observer."""

import pytest

from kvzero.reports import FigureLog, read_metrics
from kvzero.training.session import Reporter


class Failing:
    """An observer that raises from its second call on."""

    def __init__(self, error):
        self.error = error
        self.num_calls = 0

    def update(self, env_steps, *, updates, figures=None):
        self.num_calls += 1
        if self.num_calls > 1:
            raise self.error


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


def test_an_observer_that_raises_is_told_of_once_and_the_figures_are_logged_all_the_same(tmp_path, caplog):
    observer = Failing(ZeroDivisionError("of the user's own"))
    with FigureLog(tmp_path) as log:
        reporter = Reporter(log, observer)
        for step in range(1, 6):
            reporter.update(step, updates=step, figures={"loss": 0.5})
    assert observer.num_calls == 2
    assert [record.getMessage() for record in caplog.records] == [
        "the observer failed (ZeroDivisionError: of the user's own); going on without"
    ]
    assert [line["env_steps"] for line in read_metrics(tmp_path)] == [1, 2, 3, 4, 5]


class Speaking(Watching):
    def message(self, text):
        self.told.append(text)


def test_a_sentence_is_passed_on_or_logged_where_nobody_takes_it(tmp_path, caplog):
    caplog.set_level("INFO", logger="kvzero")
    silent, speaking = Watching(), Speaking()
    with FigureLog(tmp_path) as log:
        for observer in (silent, speaking, None):
            Reporter(log, observer).message("half of it")
    assert (silent.told, speaking.told) == ([], ["half of it"])
    assert [record.getMessage() for record in caplog.records] == ["half of it", "half of it"]


def test_an_observer_that_asks_to_end_ends(tmp_path):
    with FigureLog(tmp_path) as log:
        reporter = Reporter(log, Failing(SystemExit(3)))
        reporter.update(1, updates=0)
        with pytest.raises(SystemExit):
            reporter.update(2, updates=0)
