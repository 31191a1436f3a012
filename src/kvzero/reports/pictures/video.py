"""Frames of a game into a video file."""

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from kvzero.errors import ConfigError, RunError
from kvzero.reports import Dispensable

__all__ = ["VideoWriter", "require_video"]

LEAST_PIXELS = 2
"""Pixels a side that H.264 needs; it takes even numbers only."""


def require_video() -> None:
    """Look whether videos can be written here.

    Raises:
        ConfigError: if the extra `video` is not installed.
    """
    try:
        import imageio  # noqa: F401, PLC0415  # optional
        import imageio_ffmpeg  # type: ignore[import-untyped]  # noqa: F401, PLC0415  # optional
    except ImportError as error:
        raise ConfigError(f'a video needs {error.name}; install it with: pip install "kvzero[video]"') from error


class VideoWriter:
    """Writes frames to `path` as H.264; makes no file before the first frame, and needs nothing if there is no path.

    The file is written beside its place, and put there once all frames can be read in it. A failure is told of once;
    then no file is left, and frames are taken in without a word.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._writer: Any = None
        self._size: tuple[int, ...] = ()
        self._num_frames = 0
        self._video = Dispensable("the video")
        self.written: Path | None = None
        """The file, once it is whole."""

    def add(self, frame: UInt8[np.ndarray, "height width 3"], frames_per_second: float) -> None:
        """Append a frame; the first one's size and speed hold for all. An odd last row or column is cut off."""
        self._video.attempt(self._append, frame, frames_per_second)

    def __enter__(self) -> "VideoWriter":
        """Look whether videos can be written here.

        Raises:
            ConfigError: if the extra `video` is not installed.
        """
        if self._path is not None:
            require_video()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or leave none."""
        if self._writer is not None:
            self._video.attempt(self._finish)
            self._discard()

    @property
    def _place(self) -> Path:
        if self._path is None:
            raise ConfigError("this writer was made without a path; give one to keep frames")
        return self._path

    @property
    def _partial(self) -> Path:
        """Where the file is written before it is whole."""
        return self._place.with_name(f"partial-{self._place.name}")

    def _append(self, frame: UInt8[np.ndarray, "height width 3"], frames_per_second: float) -> None:
        height, width = (pixels // LEAST_PIXELS * LEAST_PIXELS for pixels in frame.shape[:2])
        if not (height and width):
            raise RunError(f"a frame has {_size(frame)} pixels; a video needs {LEAST_PIXELS} a side at least")
        if self._writer is None:
            self._writer, self._size = self._open(frames_per_second), frame.shape
        if frame.shape != self._size:
            raise RunError(f"frame {self._num_frames + 1} has {_size(frame)} pixels, unlike those before it")
        try:
            self._writer.append_data(frame[:height, :width])
        except OSError as error:
            raise self._refusal(error) from error
        self._num_frames += 1

    def _open(self, frames_per_second: float) -> Any:
        import imageio.v2 as imageio  # noqa: PLC0415  # optional

        try:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            return imageio.get_writer(
                self._partial, fps=frames_per_second, macro_block_size=LEAST_PIXELS, ffmpeg_log_level="quiet"
            )
        except OSError as error:
            raise self._refusal(error) from error

    def _finish(self) -> None:
        """Close the file and read it back, for ffmpeg does not say that a disk was full."""
        from imageio_ffmpeg import count_frames_and_secs  # noqa: PLC0415  # optional

        self._writer.close()
        try:
            num_whole = count_frames_and_secs(self._partial)[0]
        except (OSError, RuntimeError):  # it is no video
            num_whole = 0
        if num_whole != self._num_frames:
            raise RunError(f"{num_whole} of {self._num_frames} frames can be read in {self._path}; free some space")
        self.written = self._partial.replace(self._place)

    def _discard(self) -> None:
        with suppress(OSError):
            self._writer.close()
        with suppress(OSError):
            self._partial.unlink()

    def _refusal(self, error: OSError) -> RunError:
        said = str(error).partition("\n")[0]  # ffmpeg's command and its whole log follow
        return RunError(f"{self._path} cannot be written ({said}); free some space or mend permissions")


def _size(frame: UInt8[np.ndarray, "height width 3"]) -> str:
    return f"{frame.shape[1]} x {frame.shape[0]}"
