"""A file is replaced whole or not at all, and nothing temporary stays."""

from pathlib import Path

import pytest

from kvzero.errors import RunError
from kvzero.files import write_atomically


def test_nothing_temporary_stays_of_what_could_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*free some space, or choose another place"):
        write_atomically(tmp_path / "taken", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_nothing_temporary_stays(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "a", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"two"
