"""The command line as a person meets it: words in, exit status and text out."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from kvzero.cli import main


class Said(NamedTuple):
    """What a command ended with."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs one command.

    A refusal must be one line on standard error; what the parser does not understand it says in a box.
    """
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*words: object) -> Said:
        try:
            status, is_ours = main([str(word) for word in words]), True
        except SystemExit as ended:
            status, is_ours = ended.code, False
        out, err = capsys.readouterr()
        if not is_ours:
            assert status == 2
            assert "--help" in err
        elif status in (1, 2):
            assert err.startswith("error: ")
            assert err.count("\n") == 1
            assert err.endswith("\n")
        return Said(status, out, err)

    return run
