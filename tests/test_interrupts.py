"""Ctrl-C while the command is imported, and `python -m kvzero`."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kvzero
from kvzero.interrupts import is_command

SOURCE = Path(kvzero.__file__).parents[1]
SLOW_MODULE = """
import time
print("importing", flush=True)
time.sleep(60)
"""


@pytest.fixture
def slow(tmp_path):
    """Return an environment in which importing kvzero takes a minute, and a script of the command."""
    (tmp_path / "jaxtyping.py").write_text(SLOW_MODULE)
    script = tmp_path / "bin" / "kvzero"
    script.parent.mkdir()
    script.write_text("import sys\nfrom kvzero.cli import main\nsys.exit(main())\n")
    shutil.copy(script, tmp_path / "program.py")
    return tmp_path


def interrupt(words, folder):
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{SOURCE}"}
    process = subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.parametrize("words", [["-m", "kvzero"], ["-W", "default", "-m", "kvzero"], ["bin/kvzero"]])
def test_an_interrupt_while_the_command_is_imported_ends_without_a_trace(slow, words):
    words = [str(slow / word) if word == "bin/kvzero" else word for word in words]
    assert interrupt([*words, "presets"], slow) == (130, "error: interrupted\n")


def test_in_another_program_an_interrupt_is_what_it_always_was(slow):
    _, err = interrupt([str(slow / "program.py"), "presets"], slow)
    assert err.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize(
    ("program", "words", "is_it"),
    [
        (["/usr/bin/kvzero"], ["python", "/usr/bin/kvzero", "train"], True),
        (["kvzero.exe"], ["kvzero.exe"], True),
        (["-m"], ["python", "-m", "kvzero", "train"], True),
        (["-m"], ["python", "-m", "pytest", "kvzero"], False),
        (["train.py"], ["python", "train.py", "kvzero"], False),
        ([""], ["python"], False),
        ([], ["python"], False),
    ],
)
def test_the_command_is_told_from_other_programs(program, words, is_it):
    assert is_command(program, words) == is_it


@pytest.mark.parametrize(("words", "status", "said"), [(["--version"], 0, "kvzero "), (["fly"], 2, "no command 'fly'")])
def test_the_module_is_run_as_the_command_is(words, status, said):
    done = subprocess.run(
        [sys.executable, "-m", "kvzero", *words],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert said in done.stdout + done.stderr
