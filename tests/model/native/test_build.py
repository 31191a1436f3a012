"""A library is compiled once, and anew where the file is not whole."""

import ctypes
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kvzero.errors import EngineError
from kvzero.model.native import build

CALL = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).kvzero_free(None)"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.build_library(tmp_path_factory.mktemp("libraries") / "[cache] of mine")


def test_two_builds_leave_one_library(whole: Path) -> None:
    assert build.build_library(whole.parent) == whole
    assert list(whole.parent.iterdir()) == [whole]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_library_that_was_cut_short_is_noticed_and_made_anew(whole: Path, share: float) -> None:
    content = whole.read_bytes()
    whole.unlink()
    whole.write_bytes(content[: int(share * len(content))])
    assert build.build_library(whole.parent) == whole
    assert whole.read_bytes() == content
    subprocess.run([sys.executable, "-c", CALL, whole], check=True)


def test_a_library_of_other_content_is_not_taken_for_it(whole: Path) -> None:
    other = whole.with_name(f"{whole.name[:-10]}0000000.so")
    other.write_bytes(b"junk")
    assert build.build_library(whole.parent) == whole
    assert build.build_library(whole.parent) == whole
    ctypes.CDLL(str(whole))
    other.unlink(missing_ok=True)


def test_builds_at_once_end_with_a_whole_library(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        made = set(pool.map(build.build_library, [tmp_path] * 3))
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in made}
    for library in made:
        ctypes.CDLL(str(library))


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"no library can be kept in .*file/below"):
        build.build_library(tmp_path / "file" / "below")
