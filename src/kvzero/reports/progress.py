"""What a person sees of a running training: a live display on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import SupportsFloat

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kvzero.reports.characters import spell
from kvzero.reports.dispensable import Dispensable
from kvzero.reports.figures import EVAL_RETURN_MEAN, LOSS, TRAIN_RETURN
from kvzero.reports.rates import Rates

__all__ = ["ProgressDisplay"]

LIVE_SECONDS = 0.1
SEPARATOR = " · "


class ProgressDisplay:
    """Shows environment steps, returns, losses, speed and time left; to be used in a `with` statement.

    Where the console cannot be written, a closed pipe or a full disk, that is told of once, and nothing is shown any
    more. Characters that it cannot show are spelled.

    Args:
        console: where to write; live where it is a terminal, else plain lines.
        total_env_steps: steps at which the run ends.
        clock: returns seconds.
        plain_seconds: least time between two plain lines.
    """

    def __init__(
        self,
        console: Console,
        *,
        total_env_steps: int,
        clock: Callable[[], float] = time.monotonic,
        plain_seconds: float = 10.0,
    ) -> None:
        self._console = console
        self._total = total_env_steps
        self._clock = clock
        self._rates = Rates()
        self._env_steps = 0
        self._figures: dict[str, float] = {}
        is_live = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False) if is_live else None
        self._pause = LIVE_SECONDS if is_live else plain_seconds
        self._shown_at: float | None = None
        self._is_shown = True
        self._screen = Dispensable("the display of progress")

    def update(self, env_steps: int, *, updates: int, figures: Mapping[str, SupportsFloat] | None = None) -> None:
        """Take in how far the run is; figures not given keep their last value.

        Args:
            env_steps: environment steps so far.
            updates: gradient steps so far.
            figures: by the names that the metrics have.
        """
        now = self._clock()
        if env_steps >= self._env_steps:  # figures of an evaluation that was played beside training are of before
            self._rates.mark(now, env_steps, updates)
            self._env_steps = env_steps
        self._figures |= {name: float(figure) for name, figure in (figures or {}).items()}
        self._is_shown = False
        if self._shown_at is None or now - self._shown_at >= self._pause:
            self._show()

    def message(self, text: str) -> None:
        """Print a line that stays."""
        self._attempt(lambda: self._print(text))

    def __enter__(self) -> "ProgressDisplay":
        if self._live:
            self._attempt(self._live.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_shown:
            self._show()
        if self._live:
            self._attempt(self._live.stop)

    def _show(self) -> None:
        """Bring what is shown up to date."""
        self._shown_at = self._clock()
        self._is_shown = True
        lines = [SEPARATOR.join(cells) for cells in (self._pace(), self._returns(), self._losses()) if cells]
        self._attempt(lambda: self._draw(lines))

    def _draw(self, lines: list[str]) -> None:
        if self._live:
            self._live.update(self._display(lines), refresh=True)
        else:
            self._print(SEPARATOR.join(lines))

    def _print(self, text: str) -> None:
        self._console.print(spell(text, self._console.encoding), markup=False, highlight=False, soft_wrap=True)

    def _attempt(self, show: Callable[[], None]) -> None:
        """Write to the console; where that fails, give it up, and what rich has put in the place of stdout too."""
        if self._screen.is_lost:
            return
        try:
            show()
        except (Exception, SystemExit) as error:  # with SystemExit rich answers a closed pipe
            self._console.quiet = True
            if self._live:
                with suppress(Exception):
                    self._live.stop()
            self._screen.lose(error.__context__ if isinstance(error, SystemExit) and error.__context__ else error)

    def _display(self, lines: list[str]) -> RenderableType:
        """Return the bar with the lines below it."""
        grid = Table.grid(expand=True)
        grid.add_row(ProgressBar(total=self._total, completed=min(self._env_steps, self._total)))
        for line in lines:
            grid.add_row(Text(spell(line, self._console.encoding)))
        return grid

    def _pace(self) -> list[str]:
        """Say how far the run is and how fast it goes."""
        share = self._env_steps / self._total
        cells = [f"{self._env_steps:,}/{self._total:,} steps ({share:.0%})"]
        is_evaluating = self._env_steps >= self._total  # what follows the last step is no pace of training
        if not is_evaluating and (rates := self._rates.per_second()):
            steps_per_second, updates_per_second = rates
            cells += [f"{steps_per_second:,.1f} steps/s", f"{updates_per_second:,.1f} updates/s"]
            if steps_per_second > 0:
                seconds = (self._total - self._env_steps) / steps_per_second
                cells.append(f"{timedelta(seconds=round(seconds))} left")
        return cells

    def _returns(self) -> list[str]:
        """Say what episodes earn."""
        labels = {TRAIN_RETURN: "training return", EVAL_RETURN_MEAN: "evaluation return"}
        return [f"{label} {self._figures[name]:,.1f}" for name, label in labels.items() if name in self._figures]

    def _losses(self) -> list[str]:
        """Say what the losses are, the whole one first."""
        names = sorted(name for name in self._figures if name == LOSS or name.startswith(f"{LOSS}_"))
        return [f"{name.removeprefix(f'{LOSS}_')} {self._figures[name]:.3f}" for name in names]
