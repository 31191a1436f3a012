"""Figures in TensorBoard: its own event files, written with its own writer, without torch."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import SupportsFloat

from kvzero.errors import RunError
from kvzero.files import reachable

__all__ = ["TensorBoardSink"]

FLUSH_SECONDS = 10


class TensorBoardSink:
    """Appends scalars to a new event file in `run_dir`; after a resume TensorBoard drops the older ones beyond it.

    Raises:
        RunError: if the folder cannot be written to.
    """

    def __init__(self, run_dir: Path, *, resume_from: int | None = None) -> None:
        # Imported here: a third of a second that reading a run does not need.
        from tensorboard.compat.proto import event_pb2, summary_pb2  # noqa: PLC0415
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # noqa: PLC0415

        self._run_dir = run_dir
        self._event, self._session, self._summary = event_pb2.Event, event_pb2.SessionLog, summary_pb2.Summary
        self._held = ExitStack()
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            place = self._held.enter_context(reachable(run_dir / "events")).parent
            self._writer = EventFileWriter(str(place), flush_secs=FLUSH_SECONDS)
        except OSError as error:
            self._held.close()
            raise self._refusal(error) from error
        if resume_from is not None:
            start = self._session(status=self._session.START)
            self._add(resume_from + 1, session_log=start)

    def write(self, env_steps: int, figures: Mapping[str, SupportsFloat]) -> None:
        """Write one scalar per figure.

        Raises:
            RunError: if the folder cannot be written to.
        """
        values = [self._summary.Value(tag=name, simple_value=float(figure)) for name, figure in figures.items()]
        self._add(env_steps, summary=self._summary(value=values))

    def close(self) -> None:
        """Write out what is waiting and close the file.

        Raises:
            RunError: if the folder cannot be written to.
        """
        try:
            with self._held:
                self._writer.close()
        except OSError as error:
            raise self._refusal(error) from error

    def _add(self, env_steps: int, **content: object) -> None:
        """Write one event, stamped with the present time."""
        try:
            self._writer.add_event(self._event(wall_time=time.time(), step=env_steps, **content))
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> RunError:
        return RunError(
            f"cannot write TensorBoard's events in {self._run_dir}: {error.strerror or error}; "
            "free some space or choose another run folder"
        )
