"""A terminal gets one display that is refreshed, everything else gets a line now and then; both say the same."""

import errno
import os
import re
import sys
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any

import pytest
from rich.console import Console

from kvzero.reports import EVAL_RETURN_MEAN, ProgressDisplay
from kvzero.reports.rates import Rates


def plain_console() -> Console:
    return Console(file=StringIO(), force_terminal=False, width=60)


def terminal() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=90, color_system=None, legacy_windows=False, _environ={})


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_plain_line_says_everything(clock: Any) -> None:
    console = plain_console()
    with ProgressDisplay(console, total_env_steps=20_000, clock=clock) as progress:
        progress.update(0, updates=0)
        clock.advance(10)
        figures = {"train_return": 245.31, "loss": 3.25, "loss_latent": 0.5, "eval_return_mean": 1364, "entropy": 7}
        progress.update(5_000, updates=1_250, figures=figures)
    first, second = written(console).splitlines()
    assert first == "0/20,000 steps (0%)"
    assert second == (
        "5,000/20,000 steps (25%) · 500.0 steps/s · 125.0 updates/s · 0:00:30 left"
        " · training return 245.3 · evaluation return 1,364.0 · loss 3.250 · latent 0.500"
    )


def test_figures_of_an_evaluation_that_was_played_beside_training_turn_nothing_back(clock: Any) -> None:
    console = plain_console()
    with ProgressDisplay(console, total_env_steps=1_000, clock=clock, plain_seconds=0.0) as progress:
        progress.update(0, updates=0)
        clock.advance(10)
        progress.update(500, updates=50)
        progress.update(400, updates=50, figures={"eval_return_mean": 21})
    assert written(console).splitlines()[-1] == (
        "500/1,000 steps (50%) · 50.0 steps/s · 5.0 updates/s · 0:00:10 left · evaluation return 21.0"
    )


def test_plain_lines_keep_their_distance_and_the_last_state_is_shown(clock: Any) -> None:
    console = plain_console()
    with ProgressDisplay(console, total_env_steps=100, clock=clock, plain_seconds=5.0) as progress:
        for step in range(1, 24):
            clock.advance(1)
            progress.update(step, updates=0)
    shown = [int(line.split("/")[0]) for line in written(console).splitlines()]
    assert shown == [1, 6, 11, 16, 21, 23]


def test_what_was_shown_is_not_repeated_at_the_end(clock: Any) -> None:
    console = plain_console()
    with ProgressDisplay(console, total_env_steps=100, clock=clock) as progress:
        progress.update(7, updates=0)
    assert len(written(console).splitlines()) == 1


def test_figures_keep_their_last_value(clock: Any) -> None:
    console = plain_console()
    with ProgressDisplay(console, total_env_steps=100, clock=clock) as progress:
        progress.update(7, updates=0, figures={"eval_return_mean": 21})
        clock.advance(60)
        progress.update(8, updates=0, figures={"train_return": 9})
    assert "training return 9.0 · evaluation return 21.0" in written(console).splitlines()[-1]


def test_a_terminal_shows_a_bar_that_is_refreshed_and_leaves_the_cursor(clock: Any) -> None:
    console = terminal()
    with ProgressDisplay(console, total_env_steps=1_000, clock=clock) as progress:
        for step in (100, 200, 300):
            clock.advance(2)
            progress.update(step, updates=step // 4, figures={"train_return": 33, "loss": 1.5})
    text = without_escapes(written(console))
    assert [line.rstrip() for line in text.split("\r")[-1].splitlines()] == [
        "━" * 27,
        "300/1,000 steps (30%) · 50.0 steps/s · 12.5 updates/s · 0:00:14 left",
        "training return 33.0",
        "loss 1.500",
    ]
    assert "\x1b[?25l" in written(console)
    assert written(console).rindex("\x1b[?25h") > written(console).rindex("\x1b[?25l")


def test_a_terminal_is_not_flooded(clock: Any) -> None:
    console = terminal()
    with ProgressDisplay(console, total_env_steps=1_000, clock=clock) as progress:
        for step in range(1, 100):
            clock.advance(0.01)
            progress.update(step, updates=0)
    assert without_escapes(written(console)).count("/1,000 steps") <= 15


def test_the_cursor_comes_back_after_an_error(clock: Any) -> None:
    console = terminal()

    def interrupted() -> None:
        with ProgressDisplay(console, total_env_steps=10, clock=clock) as progress:
            progress.update(1, updates=0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "\x1b[?25h" in written(console)


@pytest.mark.parametrize("make_console", [plain_console, terminal])
def test_a_message_stays(clock: Any, make_console: Any) -> None:
    console = make_console()
    with ProgressDisplay(console, total_env_steps=10, clock=clock) as progress:
        progress.message("wrote [checkpoint] 5")
        progress.update(1, updates=0)
    assert "wrote [checkpoint] 5" in without_escapes(written(console))


class Broken(StringIO):
    """A stream that stops taking in text after its first lines, as a closed pipe or a full disk does."""

    def __init__(self, error: OSError, *, num_good: int) -> None:
        super().__init__()
        self.error = error
        self.num_good = num_good

    def write(self, text: str) -> int:
        self.num_good -= 1
        if self.num_good < 0:
            raise self.error
        return super().write(text)

    def fileno(self) -> int:
        raise OSError("no descriptor")


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize(
    "error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.ENOSPC, "No space left on device")], ids=str
)
@pytest.mark.parametrize("num_good", [0, 1, 2, 3])
def test_a_display_that_cannot_be_written_is_told_of_once_and_done_without(
    clock: Any, caplog: pytest.LogCaptureFixture, error: OSError, is_live: bool, num_good: int
) -> None:
    file, before = Broken(error, num_good=num_good), (sys.stdout, sys.stderr)
    console = Console(file=file, force_terminal=is_live, color_system=None, legacy_windows=False, _environ={})
    with ProgressDisplay(console, total_env_steps=100, clock=clock) as progress:
        for step in range(0, 100, 10):
            clock.advance(20)
            progress.update(step, updates=step)
        progress.message("the end")
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("the display of progress failed (")
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("encoding", ["ascii", "euc_jp"])
@pytest.mark.parametrize("is_live", [False, True])
def test_a_terminal_that_lacks_characters_shows_others(clock: Any, encoding: str, is_live: bool) -> None:
    file = TextIOWrapper(BytesIO(), encoding=encoding)
    console = Console(file=file, force_terminal=is_live, color_system=None, legacy_windows=False, _environ={})
    with ProgressDisplay(console, total_env_steps=1_000, clock=clock) as progress:
        progress.update(100, updates=20, figures={"loss": 1.5})
        clock.advance(20)
        progress.update(200, updates=40)
        progress.message(os.fsdecode(b"caf\xe9 [red]"))
    text = without_escapes(file.buffer.getvalue().decode(encoding))
    assert "200/1,000 steps (20%) - 5.0 steps/s - 1.0 updates/s" in text
    assert r"caf\xe9 [red]" in text


def test_a_run_at_its_end_is_only_evaluated_and_has_no_pace(clock: Any) -> None:
    console = plain_console()
    with ProgressDisplay(console, total_env_steps=10, clock=clock) as progress:
        progress.update(5, updates=0)
        clock.advance(30)
        progress.update(13, updates=0, figures={EVAL_RETURN_MEAN: 3})
    assert written(console).splitlines()[-1] == "13/10 steps (130%) · evaluation return 3.0"


def test_a_run_that_stands_still_has_no_time_left_to_tell(clock: Any) -> None:
    console = plain_console()
    with ProgressDisplay(console, total_env_steps=10, clock=clock) as progress:
        progress.update(5, updates=0)
        clock.advance(30)
        progress.update(5, updates=4)
    assert written(console).splitlines()[-1] == "5/10 steps (50%) · 0.0 steps/s · 0.1 updates/s"


def test_rates_are_those_of_the_last_minute() -> None:
    rates = Rates()
    assert rates.per_second() is None
    for second in range(201):
        rates.mark(float(second), max(0, second - 100) * 3, second)
    assert rates.per_second() == (3.0, 1.0)
    rates.mark(1_000.0, 300, 200)
    assert rates.per_second() == (0.0, 0.0)
