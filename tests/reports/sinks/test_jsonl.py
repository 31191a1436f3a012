"""Metrics survive kills, hold one history and are valid JSON."""

import json
import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvzero.errors import RunError
from kvzero.reports import JsonlSink, read_metrics


def opened(run_dir: Path, *, resume_from: int | None = None) -> closing[JsonlSink]:
    return closing(JsonlSink(run_dir, resume_from=resume_from))


def log_steps(run_dir: Path, *steps: int, resume_from: int | None = None) -> None:
    with opened(run_dir, resume_from=resume_from) as log:
        for step in steps:
            log.write(step, {"loss": step / 2})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    with opened(tmp_path / "new" / "run") as log:
        log.write(8, {"loss": 2.5, "train_return": np.float32(21)})
        log.write(16, {"eval_return_mean": 9})
    assert read_metrics(tmp_path / "new" / "run") == [
        {"env_steps": 8, "loss": 2.5, "train_return": 21.0},
        {"env_steps": 16, "eval_return_mean": 9.0},
    ]


def test_a_line_is_on_disk_as_soon_as_it_is_written(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.write(3, {"loss": 1.0})
        assert read_metrics(tmp_path) == [{"env_steps": 3, "loss": 1.0}]


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
def test_figures_that_are_not_finite_are_valid_json(tmp_path: Path, figure: float) -> None:
    with opened(tmp_path) as log:
        log.write(3, {"loss": figure})
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")) == {
        "env_steps": 3,
        "loss": None,
    }
    assert math.isnan(read_metrics(tmp_path)[0]["loss"])


def test_a_resumed_log_appends(tmp_path: Path) -> None:
    log_steps(tmp_path, 1, 2)
    log_steps(tmp_path, 3)
    assert [line["env_steps"] for line in read_metrics(tmp_path)] == [1, 2, 3]


def test_the_curve_holds_one_history(tmp_path: Path) -> None:
    log_steps(tmp_path, 1, 2, 3, 4)
    log_steps(tmp_path, 3, 5, resume_from=2)
    assert [line["env_steps"] for line in read_metrics(tmp_path)] == [1, 2, 3, 5]


def test_an_evaluation_that_the_checkpoint_does_not_know_of_is_cut_off_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        for step in (20, 40, 60):
            log.write(step, {"loss": 1.0})
            log.write(step, {"eval_return_mean": 9.0})
    JsonlSink(tmp_path, resume_from=40, evaluated_at=20).close()
    lines = [(line["env_steps"], "eval_return_mean" in line) for line in read_metrics(tmp_path)]
    assert lines == [(20, False), (20, True), (40, False)]


@settings(max_examples=40, derandomize=True)
@given(cut=st.integers(1, 60))
def test_a_kill_inside_the_last_line_loses_that_line_only(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    run_dir = tmp_path_factory.mktemp("run")
    log_steps(run_dir, 1, 2, 3)
    path = run_dir / "metrics.jsonl"
    content = path.read_bytes()
    torn = content[: max(0, len(content) - cut)]
    path.write_bytes(torn)
    whole = [line["env_steps"] for line in read_metrics(run_dir)]
    assert whole == [1, 2, 3][: torn.count(b"}")]
    log_steps(run_dir, 9)
    assert [line["env_steps"] for line in read_metrics(run_dir)] == [*whole, 9]
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize(
    "damaged", ["{torn", '{"loss": 1.0}', '{"env_steps": null}', '{"env_steps": 1, "loss": "low"}', "[1, 2]", "3"]
)
def test_damage_before_the_last_line_is_refused(tmp_path: Path, damaged: str) -> None:
    log_steps(tmp_path, 1, 2)
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{damaged}\n{path.read_text()}")
    for use in (read_metrics, JsonlSink):
        with pytest.raises(RunError, match=r"line 1 of .*metrics\.jsonl.*repair or delete that line"):
            use(tmp_path)


def test_a_folder_without_metrics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        read_metrics(tmp_path)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        JsonlSink(tmp_path / "run")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    log = JsonlSink(tmp_path)
    log._file.close()
    log._file = Path("/dev/full").open("w")  # noqa: SIM115
    with pytest.raises(RunError, match="No space left"):
        log.write(1, {"loss": 1.0})
    with pytest.raises(RunError, match="No space left"):
        log.close()
