"""Where the figures of a run go: `metrics.jsonl`, the sinks that its config names, and those that a caller adds."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, SupportsFloat, runtime_checkable

from kvzero.reports.dispensable import Dispensable
from kvzero.reports.sinks.jsonl import JsonlSink
from kvzero.reports.sinks.tensorboard import TensorBoardSink
from kvzero.reports.sinks.wandb import WandbSink, require_wandb

__all__ = ["SINKS", "FigureLog", "FigureSink", "MediaSink", "SinkName", "SinkOpener", "require_sinks"]


@runtime_checkable
class FigureSink(Protocol):
    """Takes in the figures of a run, one set after another."""

    def write(self, env_steps: int, figures: Mapping[str, SupportsFloat]) -> None:
        """Take in figures by name, as of so many environment steps; they may be infinite or NaN."""

    def close(self) -> None:
        """Write out what is waiting; nothing is written afterwards."""


@runtime_checkable
class MediaSink(Protocol):
    """What a sink may have besides: it takes in pictures and videos."""

    def write_picture(self, env_steps: int, name: str, png: bytes) -> None:
        """Take in the content of a PNG file, as of so many environment steps."""

    def write_video(self, env_steps: int, name: str, path: Path) -> None:
        """Take in an MP4 file, which stays where it is."""


@runtime_checkable
class SinkOpener(Protocol):
    """Opens a sink for one session of a run; a sink's class is one, if that is how it is made."""

    def __call__(self, run_dir: Path, *, resume_from: int | None = None) -> FigureSink:
        """Return a sink of the run in this folder, which exists.

        A session that resumes from a checkpoint gives its environment steps: what was written beyond them is void.
        """


SinkName = Literal["tensorboard", "wandb"]

SINKS: dict[SinkName, SinkOpener] = {"tensorboard": TensorBoardSink, "wandb": WandbSink}
"""Sinks that a config can name. `metrics.jsonl` is none of them: curve and report are drawn from it in every run."""


def require_sinks(names: Sequence[SinkName]) -> None:
    """Refuse, before a run is begun, sinks whose packages are missing.

    Raises:
        ConfigError: with the command that installs one.
    """
    if "wandb" in names:
        require_wandb()


class FigureLog:
    """All sinks of a run as one, `metrics.jsonl` first; a context that closes them.

    A sink that fails once it is open, be it for a full disk, is told of once and gets nothing more; the others go on.

    Args:
        run_dir: the run's folder; made if there is none.
        resume_from: environment steps of the checkpoint that the run resumes from.
        evaluated_at: those of the newest evaluation that the checkpoint knows of, if it says so.
        names: sinks that are named in `SINKS`.
        others: opened after those.

    Raises:
        RunError: if the folder cannot be written to, or `metrics.jsonl` is damaged before its last line.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        resume_from: int | None = None,
        evaluated_at: int | None = None,
        names: Sequence[SinkName] = (),
        others: Sequence[SinkOpener] = (),
    ) -> None:
        self._sinks: list[tuple[FigureSink, Dispensable]] = []
        with ExitStack() as opened:
            metrics = partial(JsonlSink, evaluated_at=evaluated_at)
            for opener in (metrics, *(SINKS[name] for name in names), *others):
                sink = opened.enter_context(closing(opener(run_dir, resume_from=resume_from)))
                self._sinks.append((sink, Dispensable(f"the log of figures ({type(sink).__name__})")))
            opened.pop_all()

    def write(self, env_steps: int, figures: Mapping[str, SupportsFloat]) -> None:
        """Give these figures, as of so many environment steps, to every sink."""
        for sink, log in self._sinks:
            log.attempt(sink.write, env_steps, figures)

    def write_picture(self, env_steps: int, name: str, png: bytes) -> None:
        """Give the content of a PNG file to every sink that takes pictures."""
        for sink, log in self._sinks:
            if isinstance(sink, MediaSink):
                log.attempt(sink.write_picture, env_steps, name, png)

    def write_video(self, env_steps: int, name: str, path: Path) -> None:
        """Give an MP4 file to every sink that takes videos."""
        for sink, log in self._sinks:
            if isinstance(sink, MediaSink):
                log.attempt(sink.write_video, env_steps, name, path)

    def close(self) -> None:
        """Close every sink, even where one before it fails to."""
        for sink, log in self._sinks:
            log.attempt(sink.close)
            if log.is_lost:
                with suppress(Exception):  # of which has been told
                    sink.close()

    def __enter__(self) -> "FigureLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
