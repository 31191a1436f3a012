"""All sinks of a run get every figure, are told where a session resumes, and are closed whatever happens."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import kvzero
from kvzero.errors import RunError
from kvzero.reports import SINKS, FigureLog, FigureSink, SinkName, read_metrics


class Kept:
    """A sink that keeps what it gets, and is its own opener."""

    def __init__(self) -> None:
        self.opened: list[tuple[Path, int | None]] = []
        self.written: list[tuple[int, dict]] = []
        self.num_closed = 0

    def __call__(self, run_dir: Path, *, resume_from: int | None = None) -> FigureSink:
        self.opened.append((run_dir, resume_from))
        return self

    def write(self, env_steps, figures) -> None:
        self.written.append((env_steps, dict(figures)))

    def close(self) -> None:
        self.num_closed += 1


def test_every_sink_gets_every_figure_and_is_told_where_the_session_resumes(tmp_path: Path) -> None:
    first, second = Kept(), Kept()
    with FigureLog(tmp_path / "run", resume_from=3, names=("tensorboard",), others=[first, second]) as log:
        log.write(4, {"loss": 0.5})
        log.write(8, {"loss": float("nan"), "updates": 2})
    for sink in (first, second):
        assert sink.opened == [(tmp_path / "run", 3)]
        assert [step for step, _ in sink.written] == [4, 8]
        assert sink.written[0] == (4, {"loss": 0.5})
        assert sink.num_closed == 1
    assert [line["env_steps"] for line in read_metrics(tmp_path / "run")] == [4, 8]
    assert len(list((tmp_path / "run").glob("events.out.tfevents.*"))) == 1


def test_lines_of_json_are_written_whatever_is_named(tmp_path: Path) -> None:
    with FigureLog(tmp_path) as log:
        log.write(4, {"loss": 0.5})
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


class Watching(Kept):
    """A sink that keeps pictures and videos, too."""

    def write_picture(self, env_steps, name, png) -> None:
        self.written.append((env_steps, {name: png}))

    def write_video(self, env_steps, name, path) -> None:
        self.written.append((env_steps, {name: path}))


def test_pictures_and_videos_reach_the_sinks_that_take_them(tmp_path: Path) -> None:
    plain, watching = Kept(), Watching()
    with FigureLog(tmp_path, others=[plain, watching]) as log:
        log.write_picture(4, "curve", b"png")
        log.write_video(8, "game", tmp_path / "game.mp4")
    assert plain.written == []
    assert watching.written == [(4, {"curve": b"png"}), (8, {"game": tmp_path / "game.mp4"})]


class Full(Kept):
    """A sink whose disk is full after the first line."""

    def write(self, env_steps, figures) -> None:
        if self.written:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(env_steps, figures)

    def close(self) -> None:
        super().close()
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_is_told_of_once_and_the_others_go_on(tmp_path: Path, caplog) -> None:
    full, kept = Full(), Kept()
    with FigureLog(tmp_path, others=[full, kept]) as log:
        for step in (4, 8, 12):
            log.write(step, {"loss": 0.5})
    assert [step for step, _ in full.written] == [4]
    assert [step for step, _ in kept.written] == [4, 8, 12]
    assert [line["env_steps"] for line in read_metrics(tmp_path)] == [4, 8, 12]
    assert full.num_closed == kept.num_closed == 1
    assert [record.getMessage() for record in caplog.records] == [
        "the log of figures (Full) failed (OSError: [Errno 28] No space left on device); going on without"
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_lines_of_json_that_a_disk_cannot_take_are_done_without(tmp_path: Path, caplog) -> None:
    with FigureLog(tmp_path, others=[kept := Kept()]) as log, Path("/dev/full").open("a", encoding="utf-8") as full:
        lines = log._sinks[0][0]
        lines._file.close()
        lines._file = full
        log.write(4, {"loss": 0.5})
        log.write(8, {"loss": 0.5})
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # so that it can be closed
    assert [step for step, _ in kept.written] == [4, 8]
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("the log of figures (JsonlSink) failed (RunError: cannot write ")


def test_sinks_that_were_opened_are_closed_where_a_later_one_cannot_be(tmp_path: Path) -> None:
    kept = Kept()

    def refuse(run_dir: Path, *, resume_from: int | None = None) -> FigureSink:
        raise RunError("no network")

    with pytest.raises(RunError, match="no network"):
        FigureLog(tmp_path, others=[kept, refuse])
    assert kept.num_closed == 1


def test_each_name_that_a_config_may_give_has_a_sink() -> None:
    assert set(SINKS) == set(get_args(SinkName))


def test_the_room_imports_neither_torch_nor_what_is_slow_before_it_is_needed(tmp_path: Path) -> None:
    code = f"""
import sys, types
from pathlib import Path
kvzero = types.ModuleType("kvzero")  # the package without its façade, which imports everything
kvzero.__path__ = [{str(Path(kvzero.__file__).parent)!r}]
sys.modules["kvzero"] = kvzero
from kvzero.reports import FigureLog
assert "matplotlib" not in sys.modules and "tensorboard" not in sys.modules
with FigureLog(Path({str(tmp_path)!r}), names=["tensorboard"]) as log:
    log.write(1, {{"loss": 1.0}})
assert "torch" not in sys.modules and "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
