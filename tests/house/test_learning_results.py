"""The page *Learning results* is what its command makes of the runs that are kept, and a run is kept as it was."""

import runpy
import shutil
from pathlib import Path

import pytest

from kvzero.training import read_results

ROOT = Path(__file__).parents[2]


def test_the_page_and_its_charts_are_what_their_command_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rliable", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    make = runpy.run_path(str(ROOT / "results/report.py"))["make"]
    assert make(tmp_path / "results.md") == 0
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("results*") if path.is_file()}
    assert made == kept, "run: python results/report.py"


def test_a_run_that_is_kept_is_reported_as_it_was(trained_run: Path, tmp_path: Path) -> None:
    kept, whole = tmp_path / "kept", shutil.copytree(trained_run, tmp_path / "whole")
    runpy.run_path(str(ROOT / "results/keep.py"))["keep"](whole, kept)
    assert {path.name for path in kept.iterdir()} == {
        "config.json", "evaluations.json", "learning_curve.png", "summary.json",
    }  # fmt: skip
    assert str(whole.parent) not in (kept / "config.json").read_text(encoding="utf-8")
    runs = read_results([whole, kept], tell_command=lambda _: "").runs
    assert [run.folder for run in runs] == ["whole", "kept"]
    assert runs[0].curve == runs[1].curve
    assert runs[0].final_returns == runs[1].final_returns
    folders = {"runs_dir", "run_name"}
    assert {name for name in runs[0].settings if runs[0].settings[name] != runs[1].settings[name]} <= folders
