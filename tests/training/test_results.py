"""Runs are read back for a report; what cannot be is named, and the rest goes on."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.samples import tiny_config

from kvzero.reports.results import Results
from kvzero.training import flat_settings, read_results


def read(*places: Path) -> Results:
    return read_results(places, tell_command=lambda config: f"again {config.seed}")


def test_a_run_is_told_of_with_its_curve_result_costs_and_settings(trained_run):
    (run,), skipped = (found := read(trained_run)).runs, found.skipped
    summary = json.loads((trained_run / "summary.json").read_text())
    assert skipped == ()
    assert run.folder == "trained"
    assert run.task == "tests.training.environments:Ladder"
    assert run.final_returns == tuple(summary["eval_returns"])
    assert run.score == pytest.approx(summary["eval_return_mean"])
    assert [steps for steps, _ in run.curve] == [20, 40]
    assert run.curve[-1][1] == pytest.approx(run.score)
    assert run.peak_rss_bytes == summary["peak_rss_bytes"]
    assert run.settings["context_tokens"] == 6
    assert run.command == "again 0"


def test_settings_are_flat_and_arguments_of_an_environment_are_one_of_them(tmp_path):
    config = tiny_config(tmp_path)
    config = replace(config, env=replace(config.env, env_kwargs={"size": 8}))
    found = flat_settings(config)
    assert found["env_kwargs"] == {"size": 8}
    assert found["num_simulations"] == 3
    json.dumps(found)


def unfinished(run: Path) -> None:
    (run / "summary.json").unlink()


def made_longer(run: Path) -> None:
    change(run / "config.json", lambda found: found["schedule"].update(total_env_steps=80))


def torn(run: Path) -> None:
    (run / "config.json").write_text('{"preset": "ti')


def of_another_version(run: Path) -> None:
    change(run / "config.json", lambda found: found.update(colour="red"))


def without_metrics(run: Path) -> None:
    (run / "metrics.jsonl").unlink()


def damaged_summary(run: Path) -> None:
    (run / "summary.json").write_text("[]")


def no_run(run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()


def change(path: Path, how) -> None:
    found = json.loads(path.read_text())
    how(found)
    path.write_text(json.dumps(found))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (unfinished, "has not ended"),
        (made_longer, "being made longer, to 80"),
        (torn, "damaged"),
        (of_another_version, "another version"),
        (without_metrics, "metrics"),
        (damaged_summary, "no summary"),
        (no_run, "not the folder of a run"),
        (shutil.rmtree, "not the folder of a run"),
    ],
)
def test_what_cannot_be_told_of_is_named_and_the_rest_goes_on(trained_run, tmp_path, damage, said):
    run = shutil.copytree(trained_run, tmp_path / "bad")
    damage(run)
    found = read(run, trained_run)
    assert [run.folder for run in found.runs] == ["trained"]
    (skipped,) = found.skipped
    assert skipped.place == str(run)
    assert said in skipped.reason


def test_a_folder_that_is_given_twice_counts_once(trained_run):
    found = read(trained_run, trained_run / ".." / trained_run.name)
    assert len(found.runs) == 1
    assert found.skipped[0].reason == "it was given twice"


def test_runs_whose_folders_have_one_name_are_called_as_they_were_given(trained_run, tmp_path):
    other = shutil.copytree(trained_run, tmp_path / trained_run.name)
    assert [run.folder for run in read(trained_run, other).runs] == [str(trained_run), str(other)]


def test_the_dose_of_a_summary_from_before_it_was_counted_is_worked_out(trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "older")
    change(run / "summary.json", lambda found: found.pop("dose"))
    older, newer = read(run, trained_run).runs
    assert older.dose == pytest.approx(newer.dose)
