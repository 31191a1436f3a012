"""How figures reach TensorBoard: its own event files, written with its own writer, without torch."""

import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["EventLog"]

FLUSH_SECONDS = 10


class EventLog:
    """Appends scalars to a new event file in `run_dir`; after a resume TensorBoard drops the older ones beyond it."""

    def __init__(self, run_dir: Path, *, resume_from: int | None) -> None:
        # Imported here: a third of a second that reading a run does not need.
        from tensorboard.compat.proto import event_pb2, summary_pb2  # noqa: PLC0415
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # noqa: PLC0415

        self._event, self._session, self._summary = event_pb2.Event, event_pb2.SessionLog, summary_pb2.Summary
        self._writer = EventFileWriter(str(run_dir), flush_secs=FLUSH_SECONDS)
        if resume_from is not None:
            start = self._session(status=self._session.START)
            self._add(resume_from + 1, session_log=start)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Write one scalar per figure."""
        values = [self._summary.Value(tag=name, simple_value=figure) for name, figure in figures.items()]
        self._add(step, summary=self._summary(value=values))

    def close(self) -> None:
        """Write out what is waiting and close the file."""
        self._writer.close()

    def _add(self, step: int, **content: object) -> None:
        """Write one event, stamped with the present time."""
        self._writer.add_event(self._event(wall_time=time.time(), step=step, **content))
