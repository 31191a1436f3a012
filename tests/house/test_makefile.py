"""The Makefile refuses a Python that kvzero does not run on, and CI has what its tests need and ends with them."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("status", [0, 100])
def test_ci_installs_what_tests_need_where_it_can_and_goes_on_where_it_cannot(tmp_path: Path, status: int) -> None:
    log = tmp_path / "log"
    for name, program in {"id": "echo 0", "make": "", "apt-get": f"exit {status}"}.items():
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >>"{log}"\n{program}\n', encoding="utf-8")
        path.chmod(0o755)
    bash, dirname = (shutil.which(name) for name in ("bash", "dirname"))
    assert bash is not None
    assert dirname is not None
    (tmp_path / "dirname").symlink_to(dirname)
    done = subprocess.run(
        [bash, ".ci/run"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    called = log.read_text(encoding="utf-8").splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    for place, program in ((1, "chromium"), (3, "redis-server")):
        installs = ["apt-get update", f"apt-get install -y --no-install-recommends {program}"]
        assert called[place : place + 2] == installs
    assert called[5:] == ["make gates", "make .triton/stamp", "make kernels", "make test"]
    assert ("is skipped" in done.stdout) == (status != 0)
