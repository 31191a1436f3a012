"""Figures reach TensorBoard, which shows one history."""

import os
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kvzero.errors import RunError
from kvzero.reports import TensorBoardSink, VideoWriter


def log_steps(run_dir: Path, *steps: int, resume_from: int | None = None) -> None:
    with closing(TensorBoardSink(run_dir, resume_from=resume_from)) as sink:
        for step in steps:
            sink.write(step, {"loss": step / 2})


def read_scalars(run_dir: Path, name: str) -> list[tuple[int, float]]:
    accumulator = EventAccumulator(str(run_dir))
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(name)]


def test_tensorboard_reads_the_scalars(tmp_path: Path) -> None:
    with closing(TensorBoardSink(tmp_path)) as sink:
        sink.write(8, {"loss": 2.5, "train_return": np.float32(21)})
        sink.write(16, {"loss": 1.25})
    assert read_scalars(tmp_path, "loss") == [(8, 2.5), (16, 1.25)]
    assert read_scalars(tmp_path, "train_return") == [(8, 21.0)]


def test_tensorboard_drops_what_the_resumed_run_took_back(tmp_path: Path) -> None:
    log_steps(tmp_path, 10, 20, 30, 40)
    first = next(tmp_path.glob("events*"))
    os.rename(first, first.with_name("events.out.tfevents.0000000001.first"))  # noqa: PTH104  # files are read in order
    log_steps(tmp_path, 30, 50, resume_from=20)
    assert read_scalars(tmp_path, "loss") == [(10, 5.0), (20, 10.0), (30, 15.0), (50, 25.0)]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="cannot write TensorBoard's events in"):
        TensorBoardSink(tmp_path / "run")


def test_tensorboard_shows_a_picture_at_its_step(tmp_path: Path) -> None:
    png = BytesIO()
    Image.new("RGB", (7, 5)).save(png, format="PNG")
    with closing(TensorBoardSink(tmp_path)) as sink:
        sink.write_picture(16, "learning_curve", png.getvalue())
    accumulator = EventAccumulator(str(tmp_path))
    accumulator.Reload()
    (event,) = accumulator.Images("learning_curve")
    assert (event.step, event.width, event.height) == (16, 7, 5)
    assert event.encoded_image_string == png.getvalue()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # imageio leaves ffmpeg's pipes to chance
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tensorboard_shows_the_beginning_of_a_video_as_a_moving_picture(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("kvzero.reports.sinks.tensorboard.NUM_FRAMES", 4)
    with VideoWriter(tmp_path / "game.mp4") as video:
        for brightness in range(0, 240, 40):
            video.add(np.full((20, 30, 3), brightness, np.uint8), 25.0)
    with closing(TensorBoardSink(tmp_path)) as sink:
        sink.write_video(16, "evaluation", tmp_path / "game.mp4")
    accumulator = EventAccumulator(str(tmp_path))
    accumulator.Reload()
    (event,) = accumulator.Images("evaluation")
    assert (event.step, event.width, event.height) == (16, 30, 20)
    with Image.open(BytesIO(event.encoded_image_string)) as moving:
        assert (moving.format, moving.n_frames, moving.info["duration"]) == ("GIF", 4, 40)
