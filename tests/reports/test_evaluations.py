"""A learning curve comes from metrics, or from the evaluations that were kept of them."""

import json
from pathlib import Path

import pytest

from kvzero.errors import RunError
from kvzero.reports import EVALUATIONS_FILE, read_evaluations

METRICS = [{"env_steps": 10, "loss": 1.5}, {"env_steps": 20, "eval_return_mean": 2.5, "eval_seconds": 0.1}]


def test_metrics_and_what_was_kept_of_them_give_one_curve(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in METRICS))
    curve = read_evaluations(tmp_path)
    assert curve == ((20, 2.5),)
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / EVALUATIONS_FILE).write_text(json.dumps(METRICS[1:]))
    assert read_evaluations(tmp_path) == curve


@pytest.mark.parametrize("content", ["", "7", '["eval_return_mean"]', '[{"eval_return_mean": 1.0}]'])
def test_damaged_evaluations_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / EVALUATIONS_FILE).write_text(content)
    with pytest.raises(RunError, match=r"evaluations\.json holds no evaluations"):
        read_evaluations(tmp_path)


def test_a_folder_with_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="metrics"):
        read_evaluations(tmp_path)
