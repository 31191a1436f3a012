"""A file is reached by libraries that take text, whatever bytes its folder is named with."""

import os
from pathlib import Path

import numpy as np
import pytest

from kvzero.files import load_arrays, reachable, save_arrays


def test_a_path_that_is_text_is_given_as_it_is() -> None:
    with reachable(Path("日本/[a] b.txt")) as place:
        assert place == Path("日本/[a] b.txt")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="open folders have no paths here")
def test_bytes_that_are_no_text_are_reached_through_the_open_folder(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "file").write_text("content", encoding="utf-8")
    with reachable(folder / "file") as place:
        assert str(place).isascii()
        assert place.read_text(encoding="utf-8") == "content"
    assert not place.exists()
    save_arrays({"numbers": np.arange(3)}, folder / "arrays.safetensors")
    assert load_arrays(folder / "arrays.safetensors")["numbers"].tolist() == [0, 1, 2]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), reachable(tmp_path / os.fsdecode(b"\xff") / "file"):
        pass
