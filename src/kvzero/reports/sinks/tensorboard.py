"""Figures, pictures and videos in TensorBoard: its own event files, written with its own writer, without torch."""

import struct
import time
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import SupportsFloat

import numpy as np

from kvzero.errors import RunError
from kvzero.files import reachable

__all__ = ["TensorBoardSink"]

FLUSH_SECONDS = 10
NUM_FRAMES = 300
"""Frames of a video that are shown: moving pictures are several times as large as videos."""

RGB = 3
"""How TensorBoard names pictures of three colours."""


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

    def write_picture(self, env_steps: int, name: str, png: bytes) -> None:
        """Write a picture, among TensorBoard's images.

        Raises:
            RunError: if the folder cannot be written to.
        """
        width, height = struct.unpack(">II", png[16:24])  # where a PNG file says so
        self._add_image(env_steps, name, png, (height, width))

    def write_video(self, env_steps: int, name: str, path: Path) -> None:
        """Write the beginning of an MP4 file as a moving picture, among TensorBoard's images; it knows no videos.

        Raises:
            RunError: if the folder cannot be written to.
        """
        import imageio.v3 as imageio  # noqa: PLC0415  # optional; it wrote the file

        speed = imageio.immeta(path, plugin="FFMPEG")["fps"]
        frames = np.stack(list(islice(imageio.imiter(path, plugin="FFMPEG"), NUM_FRAMES)))
        moving = imageio.imwrite("<bytes>", frames, extension=".gif", duration=1000 / speed, loop=0)
        self._add_image(env_steps, name, moving, frames.shape[1:3])

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

    def _add_image(self, env_steps: int, name: str, content: bytes, size: tuple[int, int]) -> None:
        image = self._summary.Image(height=size[0], width=size[1], colorspace=RGB, encoded_image_string=content)
        self._add(env_steps, summary=self._summary(value=[self._summary.Value(tag=name, image=image)]))

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
