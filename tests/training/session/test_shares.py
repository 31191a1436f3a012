"""How a run shares its time is told once there were enough rounds, said once if it matters, and in every line."""

from dataclasses import replace

import pytest
from tests.training.samples import tiny_config

from kvzero.reports import WorkShares
from kvzero.training import Trainer
from kvzero.training.session import RoundResult
from kvzero.training.session.shares import TimeShares


def a_round(collectors_seconds: float, update_seconds: float, num_updates: int = 1) -> RoundResult:
    return RoundResult(
        num_env_steps=4,
        num_updates=num_updates,
        collect_seconds=77.0,  # what the learner waited is not what collecting took
        collectors_seconds=collectors_seconds,
        update_seconds=update_seconds,
        reanalyse_seconds=update_seconds / 4,
        episodes=(),
    )


def test_rounds_count_from_behind_the_first_update_on_and_tell_when_there_were_enough():
    shares = TimeShares()
    rounds = [a_round(90.0, 0.0, 0), a_round(1.0, 50.0), *[a_round(1.0, 3.0), a_round(0.5, 0.0, 0)] * 4]
    told = []
    for each in rounds:
        shares.take_in(each)
        told.append(shares.work)
    assert told[:-2] == [None] * 8
    assert told[-2:] == [
        WorkShares(collect=5.5 / 17.5, reanalyse=3 / 17.5),
        WorkShares(collect=6 / 18, reanalyse=3 / 18),
    ]


class Hearing:
    """Keeps what it is told."""

    def __init__(self):
        self.said = []
        self.figures = []

    def update(self, env_steps, *, updates, figures=None):
        if figures:
            self.figures.append(figures)

    def message(self, text):
        self.said.append(text)


def play(folder, *, collectors_seconds: float, update_seconds: float):
    """Play a run whose rounds are said to take these times; return what was told of it, and its outcome."""
    config = tiny_config(folder, eval_every=40, final_eval_episodes=1, open_loop_steps=0)
    trainer, told = Trainer(config, folder), Hearing()
    advance = trainer._loop.advance
    trainer._loop.advance = lambda should_stop: replace(
        advance(should_stop), collectors_seconds=collectors_seconds, update_seconds=update_seconds
    )
    result = trainer.run(told, lambda: False)
    trainer.close()
    return told, result


def test_what_more_processes_would_gain_is_said_once(tmp_path):
    told, result = play(tmp_path, collectors_seconds=3.0, update_seconds=1.0)
    (said,) = told.said
    assert said == (
        "collecting is 75% of the work of this run: 2 collectors can make it at most 2.67x as fast as one process, "
        "twice the learners 1.14x"
    )
    assert result.work == WorkShares(collect=0.75)


def test_every_line_tells_it_once_there_were_enough_rounds(tmp_path):
    told, _ = play(tmp_path, collectors_seconds=0.1, update_seconds=0.9)
    lines = [line for line in told.figures if "update_seconds" in line]
    assert {line["update_seconds"] for line in lines} == {0.9}
    bounds = [line.get("collectors/speedup_bound") for line in lines]
    assert bounds[0] is None
    assert bounds[-1] == pytest.approx(1 / 0.9)
