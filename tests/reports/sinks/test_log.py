"""All sinks of a run get every figure, are told where a session resumes, and are closed whatever happens."""

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
