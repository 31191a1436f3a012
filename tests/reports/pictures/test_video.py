"""A video is told as written only when it is whole, and what spoils it is one sentence."""

import re
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from kvzero.errors import ConfigError
from kvzero.reports.pictures.video import VideoWriter


def frame(height: int, width: int, *, brightness: int = 90) -> np.ndarray:
    return np.full((height, width, 3), brightness, np.uint8)


def film(path: Path, *frames: np.ndarray, frames_per_second: float = 30.0) -> VideoWriter:
    with VideoWriter(path) as video:
        for each in frames:
            video.add(each, frames_per_second)
    return video


def describe(path: Path) -> tuple[int, float, tuple[int, int]]:
    """Return how many frames a video has, how many make a second, and its size, as ffmpeg reads it."""
    said = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", path], capture_output=True, text=True, check=False)
    width, height = re.findall(r", (\d+)x(\d+)[ ,]", said.stderr)[0]
    return (
        imageio_ffmpeg.count_frames_and_secs(path)[0],
        float(re.findall(r"([\d.]+) fps", said.stderr)[0]),
        (int(width), int(height)),
    )


def told(caplog: pytest.LogCaptureFixture) -> str:
    (record,) = caplog.records
    return record.getMessage()


@pytest.mark.parametrize("speed", [7.0, 12.5, 50.0])
def test_a_video_has_the_speed_of_its_environment(tmp_path: Path, speed: float) -> None:
    path = tmp_path / "videos" / "game [1].mp4"
    assert film(path, *[frame(20, 30)] * 8, frames_per_second=speed).written == path
    assert describe(path) == (8, speed, (30, 20))
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("height", "width"), [(2, 2), (21, 31), (3, 64)])
def test_frames_of_any_size_that_the_format_can_hold_make_a_video(tmp_path: Path, height: int, width: int) -> None:
    video = film(tmp_path / "a.mp4", *[frame(height, width)] * 3)
    assert video.written is not None
    assert describe(video.written) == (3, 30.0, (width // 2 * 2, height // 2 * 2))


def test_frames_of_changing_size_end_in_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = film(tmp_path / "a.mp4", frame(20, 30), frame(20, 30), frame(22, 30), frame(20, 30))
    assert video.written is None
    assert told(caplog) == (
        "the video failed (RunError: frame 3 has 30 x 22 pixels, unlike those before it); going on without"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (0, 0)])
def test_frames_of_tiny_size_end_in_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, height: int, width: int
) -> None:
    video = film(tmp_path / "a.mp4", frame(height, width), frame(height, width))
    assert video.written is None
    assert f"a frame has {width} x {height} pixels; a video needs 2 a side at least" in told(caplog)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys
import numpy as np
from pathlib import Path
from kvzero.reports.pictures.video import VideoWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))
rng = np.random.default_rng(0)
with VideoWriter(Path(sys.argv[1])) as video:
    for _ in range(40):
        video.add(rng.integers(0, 255, (64, 64, 3), np.uint8), 30.0)
print(video.written)
"""


def test_a_video_that_the_disk_cannot_hold_is_never_told_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    child = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=True)
    assert child.stdout == "None\n"
    assert child.stderr.startswith("the video failed (RunError: ")
    assert child.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_torn_video_does_not_take_the_place_of_a_whole_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = film(tmp_path / "a.mp4", frame(20, 30)).written
    assert whole is not None
    content = whole.read_bytes()
    assert film(whole, frame(20, 30, brightness=7), frame(8, 8)).written is None
    assert whole.read_bytes() == content
    assert "unlike those before it" in told(caplog)


def test_a_writer_without_a_path_needs_nothing_until_a_frame_comes(caplog: pytest.LogCaptureFixture) -> None:
    with VideoWriter(None) as video:
        assert video.written is None
        video.add(frame(4, 4), 30.0)
    assert ConfigError.__name__ in told(caplog)
