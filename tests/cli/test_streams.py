"""What commands print reaches any terminal; a pipe that closes ends them quietly, a full disk in a sentence."""

import errno
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.test_train import SMALL

from kvzero.cli import main
from kvzero.cli.streams import warn

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from kvzero.cli import main; sys.exit(main())"


class Device(io.RawIOBase):
    """A device that takes in nothing once it is broken, or all of it."""

    def __init__(self, error: OSError | None) -> None:
        self.error = error
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        if self.error is not None:
            raise self.error
        self.content += bytes(content)
        return len(content)


class Stdout(io.TextIOWrapper):
    """Standard output to a device."""

    def __init__(self, error: OSError | None = None, *, encoding: str = "utf-8", is_unbuffered: bool = False) -> None:
        self.device = Device(error)
        super().__init__(io.BufferedWriter(self.device), encoding=encoding, write_through=is_unbuffered)


@pytest.fixture
def forgiven() -> Iterator[list[Stdout]]:
    """Return a list for streams that may be closed when the test is over, whatever waits in them."""
    streams: list[Stdout] = []
    yield streams
    for stream in streams:
        stream.device.error = None


COMMANDS = [["--help"], ["--version"], ["presets"], ["train", "cartpole", "--help"], ["evaluate", "--help"]]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("is_unbuffered", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "error: standard output cannot be written: No space left on device\n",
        ),
    ],
    ids=["closed pipe", "full disk"],
)
def test_output_that_nobody_takes_ends_a_command_without_a_trace(
    forgiven, monkeypatch, capsys, words, is_unbuffered, error, status, said
):
    stdout = Stdout(error, is_unbuffered=is_unbuffered)
    forgiven.append(stdout)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(words) == status
    assert sys.stdout is stdout
    assert capsys.readouterr().err == said


def test_an_error_that_is_none_of_standard_output_is_raised(monkeypatch):
    def fail(words):
        raise OSError(errno.ENOSPC, "No space left on device", "elsewhere")

    monkeypatch.setitem(sys.modules["kvzero.cli.main"].COMMANDS, "presets", fail)
    with pytest.raises(OSError, match="elsewhere"):
        main(["presets"])


@pytest.mark.parametrize(("encoding", "around"), [("ascii", "+-"), ("euc_jp", "±"), ("utf-8", "±")])
def test_evaluate_prints_its_figures_on_any_terminal(monkeypatch, trained_run, tmp_path, encoding, around):
    run = shutil.copytree(trained_run, tmp_path / "[red] and [/red]")
    stdout = Stdout(encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["evaluate", str(run), "--episodes", "2"]) == 0
    said = stdout.device.content
    assert os.fsencode(run) in said
    assert f" {around} " in said.decode(encoding, "replace")


def test_help_into_a_pipe_that_closes_is_quiet(tmp_path):
    line = f'"{sys.executable}" -c "{PROGRAM}" train cartpole --help | true'
    child = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, cwd=ROOT)
    assert child.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_run_whose_output_cannot_be_written_reaches_its_end(tmp_path, environment):
    words = [*SMALL, "--runs-dir", str(tmp_path), "--run-name", "[/red] one"]
    with Path("/dev/full").open("w") as full:
        child = subprocess.run(
            [sys.executable, "-c", PROGRAM, "train", "cartpole", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"} | environment,
        )
    assert (child.returncode, child.stderr) == (
        0,
        "the display of progress failed (OSError: [Errno 28] No space left on device); going on without\n",
    )
    assert (tmp_path / "[/red] one" / "summary.json").exists()


def test_a_warning_that_standard_error_does_not_take_ends_nothing(monkeypatch, forgiven):
    stderr = Stdout(OSError(errno.ENOSPC, "No space left on device"))
    stderr.reconfigure(line_buffering=True)
    forgiven.append(stderr)
    monkeypatch.setattr(sys, "stderr", stderr)
    warn("a note")
    with pytest.raises(OSError, match="No space"):
        stderr.write("what is no warning\n")
    stderr.device.error = None
    warn("another")
    assert stderr.device.content.endswith(b"warning: another\n")
