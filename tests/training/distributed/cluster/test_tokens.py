"""The token of this user is found where Ray finds it."""

import pytest

from kvzero.training.distributed.cluster.tokens import read_token


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_there_may_be_none(home):
    assert read_token() is None


def test_the_variable_goes_before_the_named_file_and_that_before_the_one_at_home(home, monkeypatch):
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("at home\n")
    assert read_token() == "at home"
    (home / "named").write_text("named")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "named"))
    assert read_token() == "named"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "variable")
    assert read_token() == "variable"


def test_an_empty_file_holds_none(home):
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("\n")
    assert read_token() is None
