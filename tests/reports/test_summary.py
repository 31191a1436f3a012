"""A summary comes back as it went, and is never half written."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from kvzero.errors import RunError
from kvzero.reports import (
    Summary,
    library_versions,
    peak_rss_bytes,
    read_summary,
    rss_bytes,
    write_summary,
)


def test_a_summary_comes_back(tmp_path: Path, summary: Summary) -> None:
    assert write_summary(tmp_path, summary) == tmp_path / "summary.json"
    assert read_summary(tmp_path) == summary


def test_the_file_has_the_promised_names(tmp_path: Path, summary: Summary) -> None:
    names = (
        "preset, seed, env_steps, updates, wall_seconds, eval_return_mean, eval_returns, env_steps_per_second, "
        "updates_per_second, peak_rss_bytes, versions, dose, dormant_shares, collect_share, "
        "reanalyse_share, collectors"
    )
    assert list(json.loads(write_summary(tmp_path, summary).read_text())) == names.split(", ")


def test_a_summary_from_before_there_were_doses_is_read(tmp_path: Path, summary: Summary) -> None:
    path = write_summary(tmp_path, summary)
    found = json.loads(path.read_text())
    younger = ("dose", "dormant_shares", "collect_share", "reanalyse_share", "collectors")
    for name in younger:
        del found[name]
    path.write_text(json.dumps(found))
    assert read_summary(tmp_path) == replace(summary, **dict.fromkeys(younger))


def test_a_run_without_evaluations_is_valid_json(tmp_path: Path, summary: Summary) -> None:
    write_summary(tmp_path, replace(summary, eval_return_mean=math.nan, eval_returns=()))
    assert json.loads((tmp_path / "summary.json").read_text())["eval_return_mean"] is None
    assert math.isnan(read_summary(tmp_path).eval_return_mean)
    assert read_summary(tmp_path).eval_returns == ()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"preset": "cartpole"}', '{"eval_return_mean": 1}'])
def test_a_damaged_summary_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(RunError, match="no summary"):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("env_steps", "many"),
        ("updates", 1.5),
        ("wall_seconds", None),
        ("eval_returns", [1.0, "2"]),
        ("eval_returns", 3.0),
        ("versions", ["kvzero"]),
        ("versions", {"kvzero": 1}),
        ("dormant_shares", {"encoder": "all"}),
    ],
)
def test_a_figure_of_another_kind_is_refused_by_its_name(tmp_path: Path, summary: Summary, name: str, value: object):
    path = write_summary(tmp_path, summary)
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(RunError, match=f"no summary of a run .*{name}"):
        read_summary(tmp_path)


def test_a_missing_summary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        read_summary(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, summary: Summary) -> None:
    write_summary(tmp_path, summary)
    (tmp_path / "summary.json.tmp").mkdir()  # the temporary name cannot be opened
    with pytest.raises(RunError, match=r"cannot write .*summary\.json"):
        write_summary(tmp_path, replace(summary, seed=9))
    assert read_summary(tmp_path) == summary


def test_the_peak_grows_with_what_is_held() -> None:
    before = peak_rss_bytes()
    assert 10e6 < before < 100e9
    held = bytearray(b"x") * (before + 50_000_000)
    assert peak_rss_bytes() >= len(held)
    del held
    assert rss_bytes() <= peak_rss_bytes()


def test_versions_name_what_is_installed() -> None:
    versions = library_versions()
    assert {"python", "kvzero", "torch", "numpy"} <= versions.keys()
    assert all(versions.values())
