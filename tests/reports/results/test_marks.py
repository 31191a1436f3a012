"""A mark is reached or missed by the runs that it is meant for, and what they lack of steps and seeds is said."""

from pathlib import Path

import pytest
from tests.reports.results.runs import TASK, result

from kvzero.errors import ConfigError, RunError
from kvzero.reports.results.groups import group_runs
from kvzero.reports.results.marks import Mark, judge, read_marks

FILE = """
heading = ["All of it was made up."]

[[mark]]
task = "Ladder"
env_steps = 100
seeds = 2
at_least = 3

[[note]]
task = "Ladder"
text = "It has three rungs."
"""


def said(mark: Mark, *scores: float) -> list[str]:
    groups = group_runs([result(score, seed) for seed, score in enumerate(scores)])
    return [verdict.said for verdict in judge([mark], groups)]


def test_a_file_of_marks_is_read(tmp_path: Path) -> None:
    path = tmp_path / "marks.toml"
    path.write_text(FILE)
    found = read_marks(path)
    assert found.heading == ("All of it was made up.",)
    assert found.marks == (Mark(task="Ladder", env_steps=100, seeds=2, at_least=3.0),)
    assert (found.notes_of("Ladder"), found.notes_of("Chute")) == (["It has three rungs."], [])


def test_a_file_that_is_none_and_a_wrong_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "marks.toml"
    with pytest.raises(RunError, match=r"marks\.toml"):
        read_marks(path)
    path.write_text("[[mark]")
    with pytest.raises(RunError, match=r"marks\.toml"):
        read_marks(path)
    for odd in (
        FILE.replace("seeds", "sedes"),
        FILE.replace("heading", "headings"),
        "[mark]\ntask = 'Ladder'",
        "mark = 3",
    ):
        path.write_text(odd)
        with pytest.raises(ConfigError, match=r"marks\.toml"):
            read_marks(path)


def test_the_mean_or_each_seed_is_held_against_a_mark() -> None:
    mean, each = (Mark(task=TASK, seeds=2, at_least=0.5, each=each) for each in (False, True))
    assert said(mean, 0.25, 0.75) == ["reached"]
    assert said(mean, 0.25, 0.5) == ["missed"]
    assert said(each, 0.25, 0.75) == ["missed by 1 of 2"]
    assert said(each, 0.5, 0.75) == ["reached"]
    assert said(Mark(task=TASK, seeds=2), 0.25, 0.75) == ["stated"]


def test_steps_and_seeds_that_are_not_those_of_the_mark_are_said() -> None:
    mark = Mark(task=TASK, env_steps=2000, seeds=3, at_least=0.5)
    assert said(mark, 0.75, 0.25) == ["reached; 100 of 2,000 steps; 2 of 3 seeds"]
    assert said(Mark(task=TASK, env_steps=100, seeds=1, at_least=0.5), 0.25) == ["missed"]


def test_a_mark_is_meant_for_the_runs_with_its_settings() -> None:
    groups = group_runs([result(0.75, 0), result(-0.5, 0, context_tokens=2)])
    mark = Mark(task=TASK, seeds=1, at_least=0.5, settings={"context_tokens": 2})
    (verdict,) = judge([mark], groups)
    assert (verdict.said, verdict.group) == ("missed", groups[1])
    assert [verdict.said for verdict in judge([Mark(task=TASK, seeds=1, at_least=0.5)], groups)] == [
        "reached",
        "missed",
    ]


def test_a_mark_that_nothing_was_run_for_says_so() -> None:
    (verdict,) = judge([Mark(task="Ladder", seeds=1)], group_runs([result(0.5, 0)]))
    assert (verdict.said, verdict.group) == ("not run", None)
