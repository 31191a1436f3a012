"""`kvzero report` tells of runs and says what it leaves out."""

import json
import shutil

import pytest

pytest.importorskip("rliable", exc_type=ImportError)


def test_runs_are_reported_and_what_is_left_out_is_said(command, trained_run, tmp_path):
    outs = [tmp_path / "results.html", tmp_path / "results.json"]
    said = command("report", trained_run, tmp_path / "nowhere", "--out", *outs, "--title", "Two of mine")
    assert said.status == 0
    assert said.err.startswith(f"warning: {tmp_path / 'nowhere'} is left out: ")
    assert f"1 runs in {outs[0]}, {outs[1]}" in said.out
    assert "<h1>Two of mine</h1>" in outs[0].read_text()
    assert [run["folder"] for run in json.loads(outs[1].read_text())["runs"]] == ["trained"]


def test_a_report_is_made_of_an_earlier_one_and_more_runs(command, trained_run, tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    other = shutil.copytree(trained_run, tmp_path / "other")
    assert command("report", trained_run, "--out", first).status == 0
    assert command("report", first, other, "--out", second).status == 0
    content = json.loads(second.read_text())
    assert [run["folder"] for run in content["runs"]] == ["trained", "other"]
    assert "seed 0 was run 2 times" in content["groups"][0]["objection"]


def test_a_report_of_nothing_and_of_another_kind_is_refused(command, trained_run, tmp_path):
    said = command("report", tmp_path, "--out", tmp_path / "a.md")
    assert said.status == 1
    assert "nothing to report" in said.err
    assert f"{tmp_path} is not the folder of a run" in said.err
    assert command("report", trained_run, "--out", tmp_path / "a.pdf").status == 2
    for words, told in [([trained_run, "--out"], "--out names no file"), (["--out", "a.md"], "no runs are named")]:
        said = command("report", *words)
        assert (said.status, told in said.err) == (2, True)


def test_a_place_that_cannot_be_written_is_refused_and_folders_on_the_way_are_made(command, trained_run, tmp_path):
    (tmp_path / "file").touch()
    said = command("report", trained_run, "--out", tmp_path / "file" / "a.json")
    assert (said.status, "choose another --out" in said.err) == (1, True)
    assert command("report", tmp_path, "--out", tmp_path / "new" / "a.csv").status == 1
    assert not (tmp_path / "new").exists()
    assert command("report", trained_run, "--out", tmp_path / "new" / "a.csv").status == 0
    assert (tmp_path / "new" / "a.csv").is_file()


def test_marks_stand_in_the_report_and_a_wrong_file_of_them_is_refused(command, trained_run, tmp_path):
    marks, out = tmp_path / "marks.toml", tmp_path / "results.md"
    marks.write_text('[[mark]]\ntask = "Chute"\nseeds = 1\nnote = "No chute was at hand."\n')
    assert command("report", trained_run, "--out", out, tmp_path / "a.json", "--marks", marks).status == 0
    assert "Chute: No chute was at hand." in out.read_text()
    (mark,) = json.loads((tmp_path / "a.json").read_text())["marks"]
    assert (mark["task"], mark["verdict"], mark["setting"]) == ("Chute", "not run", None)
    marks.write_text("[[mark]]")
    assert command("report", trained_run, "--out", out, "--marks", marks).status == 2
