"""Frames of a game into a video file."""

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from kvzero.errors import ConfigError, RunError

__all__ = ["VideoWriter"]

FRAMES_PER_SECOND = 30


class VideoWriter:
    """Writes frames to `path` as H.264; makes no file before the first frame, and needs nothing if there is no path."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._writer: Any = None

    def add(self, frame: UInt8[np.ndarray, "height width 3"]) -> None:
        """Append a frame; an odd last row or column is cut off, which the format asks for.

        Raises:
            RunError: if the file cannot be written.
        """
        if self._writer is None:
            self._writer = self._open()
        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        self._writer.append_data(frame[:height, :width])

    def __enter__(self) -> "VideoWriter":
        """Look whether videos can be written here.

        Raises:
            ConfigError: if the extra `video` is not installed.
        """
        if self._path is not None:
            try:
                import imageio  # noqa: F401, PLC0415  # optional
                import imageio_ffmpeg  # type: ignore[import-untyped]  # noqa: F401, PLC0415  # optional
            except ImportError as error:
                raise ConfigError(
                    f'a video needs {error.name}; install it with: pip install "kvzero[video]"'
                ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> Any:
        import imageio.v2 as imageio  # noqa: PLC0415  # optional

        if self._path is None:
            raise ConfigError("this writer was made without a path; give one to keep frames")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return imageio.get_writer(self._path, fps=FRAMES_PER_SECOND, macro_block_size=2)
        except OSError as error:
            raise RunError(f"video {self._path} cannot be written ({error}); mend permissions") from error
