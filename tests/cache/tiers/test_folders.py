"""A folder on a disk of this machine and with our own files is made; of any other it is said why not."""

import os
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from kvzero.cache.tiers.backend import BackendError
from kvzero.cache.tiers.folders import make_folder

Mount = namedtuple("Mount", ["mountpoint", "fstype"])


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> list[Mount]:
    """Return what is mounted, to be added to."""
    mounts = [Mount("/", "ext4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    return mounts


def test_a_folder_on_a_disk_is_made_for_us_alone(tmp_path: Path, mounts: list[Mount]) -> None:
    folder = tmp_path / "new" / "folder"
    make_folder(folder)
    make_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("kind", "says"), [("tmpfs", "in memory"), ("nfs4", "on a network")])
def test_a_folder_that_lies_nowhere_or_elsewhere_is_refused(
    tmp_path: Path, mounts: list[Mount], kind: str, says: str
) -> None:
    mounts += [Mount(str(tmp_path), "xfs"), Mount(str(tmp_path / "a"), kind)]
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "a")
    for folder in (tmp_path / "a", tmp_path / "a" / "b", link / "c"):
        with pytest.raises(BackendError, match=rf"lies {says} \({kind}\)"):
            make_folder(folder)
    make_folder(tmp_path / "ab")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, mounts: list[Mount]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BackendError, match=r"cannot be used \((File exists|Not a directory)\)"):
        make_folder(tmp_path / "file")


@pytest.mark.parametrize("name", ["data.mdb", "lock.mdb"])
def test_a_file_of_another_user_is_refused(
    tmp_path: Path, mounts: list[Mount], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(b"")
    make_folder(tmp_path)
    someone = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: someone)
    with pytest.raises(BackendError, match="belongs to another user"):
        make_folder(tmp_path)
