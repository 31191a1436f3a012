"""Whoever the user is, there is a folder for compiled libraries, and it is the user's own."""

import os
import pwd
import tempfile
from pathlib import Path

import pytest

from kvzero.errors import EngineError
from kvzero.model.native.folders import choose_folder


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Be in an empty folder, with nothing set and an empty temporary folder; return what changes the account."""
    for name in ("KVZERO_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return monkeypatch


def leave_nameless(account: pytest.MonkeyPatch) -> None:
    """Be a user without a home and without an entry in passwd, as `docker run -u 1234` makes one."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    account.delenv("HOME")
    account.setattr(pwd, "getpwuid", unknown)


def temporary(tmp_path: Path) -> Path:
    return tmp_path / "temporary" / f"kvzero-{os.getuid()}"


def test_libraries_are_kept_in_the_users_caches(account: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert choose_folder() == tmp_path / "home/.cache/kvzero"
    account.setenv("XDG_CACHE_HOME", str(tmp_path / "caches [of mine]"))
    assert choose_folder() == tmp_path / "caches [of mine]/kvzero"
    assert choose_folder().stat().st_mode & 0o077 == 0


def test_without_a_home_they_are_kept_in_a_private_temporary_folder(
    account: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    leave_nameless(account)
    assert choose_folder() == temporary(tmp_path)
    assert temporary(tmp_path).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null"])
def test_so_they_are_where_the_home_cannot_be_written(account: pytest.MonkeyPatch, tmp_path: Path, home: str) -> None:
    account.setenv("HOME", home)
    assert choose_folder() == temporary(tmp_path)


@pytest.mark.parametrize(
    ("variable", "value"), [("HOME", "~"), ("XDG_CACHE_HOME", "~/.cache"), ("KVZERO_CACHE_DIR", "~/.cache")]
)
def test_no_folder_is_named_like_the_sign_for_a_home(
    account: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str
) -> None:
    account.setenv(variable, value)
    assert choose_folder().is_absolute()
    assert not (tmp_path / "here" / "~").exists()


def test_a_folder_that_was_named_and_cannot_be_used_is_refused(account: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    account.setenv("KVZERO_CACHE_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(EngineError, match=r"no library can be kept: .*file/below.*; set KVZERO_CACHE_DIR"):
        choose_folder()
    leave_nameless(account)
    account.setenv("KVZERO_CACHE_DIR", "~/kvzero")
    with pytest.raises(EngineError, match=r"no library can be kept: .*home"):
        choose_folder()


def test_without_a_home_and_a_temporary_folder_the_engine_is_refused(account: pytest.MonkeyPatch) -> None:
    def find_none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    leave_nameless(account)
    account.setattr(tempfile, "gettempdir", find_none)
    with pytest.raises(
        EngineError, match=r"kept: there is neither a home nor a temporary folder; set KVZERO_CACHE_DIR"
    ):
        choose_folder()


def test_a_folder_of_another_user_is_not_used(account: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = os.getuid()
    account.setattr(os, "getuid", lambda: mine + 1)
    (tmp_path / "temporary" / f"kvzero-{mine + 1}").mkdir()
    with pytest.raises(EngineError, match=r"belongs to another user; .* belongs to another user; set KVZERO_CACHE_DIR"):
        choose_folder()
