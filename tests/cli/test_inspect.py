"""`kvzero inspect` writes the page of a game and its records, or serves it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
CPU = ("--device", "cpu")


def test_a_page_is_written_into_the_run(command, trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "seen")
    said = command("inspect", run, "--seed", 2, *CPU)
    assert said.status == 0
    assert f"{run}, checkpoint step_0000000040_0000000007: return " in said.out
    page = (run / "inspect.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "seen · tests.training.environments:Ladder · seed 2" in page


def test_page_and_records_are_written_where_they_are_wanted(command, trained_run, tmp_path):
    out, records = tmp_path / "game.html", tmp_path / "game.json"
    said = command(
        "inspect", trained_run, "--out", out, "--json", records, "--max-steps", 2, "--num-simulations", 5, *CPU
    )
    assert said.status == 0
    assert f"records in {records}\n" in said.out
    assert f"page in {out}\n" in said.out
    assert "in 2 steps, cut off" in said.out
    found = json.loads(records.read_text())
    assert [len(record["parents"]) for record in found["records"]] == [6, 6]
    assert not (trained_run / "inspect.html").exists()


def test_records_are_written_as_npz(command, trained_run, tmp_path):
    assert command("inspect", trained_run, "--out", tmp_path / "a.html", "--json", tmp_path / "a.npz", *CPU).status == 0
    with np.load(tmp_path / "a.npz") as found:
        assert found["parents"].shape == (len(found["chosen"]), 4)


def test_a_checkpoint_is_named(command, trained_run, tmp_path):
    (oldest, *_) = sorted(folder.name for folder in (trained_run / "checkpoints").iterdir())
    said = command("inspect", trained_run, "--checkpoint", oldest, "--out", tmp_path / "a.html", *CPU)
    assert f"checkpoint {oldest}:" in said.out
    said = command("inspect", trained_run, "--checkpoint", "step_7", "--out", tmp_path / "b.html", *CPU)
    assert said.status == 1
    assert oldest in said.err


def test_an_exported_agent_is_inspected_and_its_page_is_beside_it(command, tmp_path):
    agent = shutil.copy(ROOT / "agents/cartpole.safetensors", tmp_path / "poles.safetensors")
    said = command("inspect", agent, "--max-steps", 3, "--json", tmp_path / "game.json", *CPU)
    assert said.status == 0
    assert said.out.startswith(f"{agent}: return 3.0 in 3 steps, cut off\n")
    assert f"page in {tmp_path / 'poles-inspect.html'}\n" in said.out
    assert "poles · CartPole-v1 · seed 0" in (tmp_path / "poles-inspect.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "game.json").read_text())["game"]["checkpoint"] == "poles.safetensors"


def test_a_checkpoint_of_a_file_and_a_file_of_another_kind_are_refused(command, tmp_path):
    agent, other = ROOT / "agents/cartpole.safetensors", tmp_path / "other.safetensors"
    other.write_bytes(b"nothing")
    out = ("--out", tmp_path / "none.html")
    assert "is a file that holds a single one" in command("inspect", agent, "--checkpoint", "step_1", *out).err
    assert str(other) in command("inspect", other, *out).err
    assert not (tmp_path / "none.html").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--host", "0.0.0.0"), "without --serve"),
        (("--port", "80"), "without --serve"),
        (("--serve", "--port", "65536"), "port is 65536; give one from 1 to 65535"),
        (("--serve", "--port", "-1"), "port is -1"),
        (("--json", "records.csv"), "neither of .json and .npz"),
        (("--max-steps", "0"), "max_steps is 0"),
        (("--num-foreseen", "-1"), "num_foreseen is -1"),
        (("--num-simulations", "0"), "num_simulations is 0"),
        (("--seed", "-1"), "seed is -1"),
    ],
)
def test_what_cannot_work_is_refused(command, trained_run, tmp_path, flags, told):
    said = command("inspect", trained_run, "--out", tmp_path / "none.html", *flags)
    assert said.status == 2
    assert told in said.err
    assert not (tmp_path / "none.html").exists()


@pytest.mark.parametrize("flag", ["--out", "--json"])
def test_a_place_that_cannot_be_written_is_refused_before_a_game_is_played(command, trained_run, tmp_path, flag):
    (tmp_path / "file").touch()
    there = tmp_path / "file" / "game.json"
    said = command("inspect", trained_run, flag, there)
    assert said.status == 1
    assert f"cannot write {there}: {tmp_path / 'file'} is a file; choose another {flag}" in said.err
    assert "return" not in said.out
    assert command("inspect", tmp_path, flag, tmp_path / "new" / "game.json").status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / "a.json").mkdir()
    assert f"give {flag} the name of a file" in command("inspect", trained_run, flag, tmp_path / "a.json").err


def test_folders_on_the_way_are_made(command, trained_run, tmp_path):
    words = ("--max-steps", 2, "--json", tmp_path / "new" / "game.json", "--out", tmp_path / "other" / "page.html")
    assert command("inspect", trained_run, *words, *CPU).status == 0
    assert (tmp_path / "new" / "game.json").is_file()
    assert (tmp_path / "other" / "page.html").is_file()


def test_a_folder_that_is_no_run_is_refused(command, tmp_path):
    assert "nowhere" in command("inspect", tmp_path / "nowhere").err


def test_a_page_is_served_on_this_machine_until_interrupted(trained_run):
    words = ["-u", "-m", "kvzero", "inspect", str(trained_run), "--serve", "--port", "0", *CPU]
    with subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
    ) as served:
        address = next(line for line in served.stdout if line.startswith("serving ")).split()[1]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.read().startswith(b"<!DOCTYPE html>")
        served.send_signal(signal.SIGINT)
        assert served.wait(120) == 0
    assert not (trained_run / "inspect.html").exists()
