"""What a run of a comparison has measured is what its whole turns have."""

import pytest
from tests.training.samples import tiny_config

from kvzero.reports.comparison import Ended, Turn
from kvzero.training.comparison.compared_run import ComparedRun
from kvzero.training.comparison.turns import Job, MeasuredTurn

TURN = Turn(
    lap=0,
    position=1,
    env_steps=40,
    num_env_steps=40,
    num_updates=3,
    collect_seconds=1.0,
    update_seconds=2.0,
    rss_bytes=5,
    peak_rss_bytes=6,
)


class Turning:
    """Stands in for the process of a run: a turn there has measured this."""

    def __init__(self, measured: MeasuredTurn) -> None:
        self.measured = measured

    def call_until(self, should_stop, function, **asked):
        return self.measured


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_turn_that_was_cut_leaves_no_trace_even_where_it_made_all_its_steps(tmp_path, is_whole):
    config = tiny_config(tmp_path, run_name="one")
    run = ComparedRun("tree", Job(name="one", config=config, folder=tmp_path, log=tmp_path / "log", num_threads=1))
    games = (Ended(env_steps=40, raw_return=1.0, num_steps=4),)
    run._process = Turning(MeasuredTurn(is_whole, TURN, ({"env_steps": 40.0},), games))
    assert run.advance(0, 1, 40, lambda: False) == (TURN if is_whole else None)
    found = run.measured(tmp_path)
    assert (len(found.turns), len(found.curve), len(found.games)) == ((1, 1, 1) if is_whole else (0, 0, 0))
