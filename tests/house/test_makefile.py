"""The Makefile refuses a Python that kvzero does not run on, and CI ends with the tests."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
Make = Callable[..., subprocess.CompletedProcess[str]]


def test_an_old_python_is_refused_by_name_and_nothing_is_made(tmp_path: Path, make: Make) -> None:
    clone = tmp_path / "a folder with spaces"
    clone.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, clone)
    python = clone / "python3.9"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.18" && exit\nexit 1\n', encoding="utf-8")
    python.chmod(0o755)
    done = make("train", "PYTHON=./python3.9", folder=clone)
    assert done.returncode != 0
    assert "3.11, 3.12 and 3.13, and './python3.9' is not" in done.stderr
    assert "Python 3.9.18" in done.stderr
    assert not (clone / ".venv").exists()


def test_help_names_every_target_that_a_user_may_call(make: Make) -> None:
    done = make("help")
    listed = {line.split()[1] for line in done.stdout.splitlines()}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:"))
    assert listed == set(phony.split()[1:])
    assert {"train", "test", "check", "docs", "bench"} <= listed


def test_ci_runs_every_gate_and_the_tests_last(make: Make) -> None:
    plan = make("--dry-run", "check").stdout
    commands = [line for line in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines() if line.startswith("make")]
    targets = [command.split()[1] for command in commands]
    assert targets[-1] == "test"
    assert make("--dry-run", *targets).stdout == plan
