"""A file is replaced whole or not at all, and nothing temporary stays."""

import errno
import os
from pathlib import Path

import pytest

from kvzero.errors import RunError
from kvzero.files import make_parent, write_atomically


def test_nothing_temporary_stays_of_what_could_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*: Is a directory; choose another place"):
        write_atomically(tmp_path / "taken", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_full_disk_is_to_be_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(RunError, match="No space left on device; free some space, or choose another place"):
        write_atomically(tmp_path / "a", b"content")
    assert list(tmp_path.iterdir()) == []


def test_nothing_temporary_stays(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "a", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"two"


def test_the_folder_of_a_file_is_made_with_those_above_it_or_the_one_in_the_way_is_named(tmp_path: Path) -> None:
    for _ in range(2):
        make_parent(tmp_path / "new" / "deeper" / "a")
    assert list((tmp_path / "new" / "deeper").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot make the folder .*file for a: .*; choose another place"):
        make_parent(tmp_path / "file" / "a")
