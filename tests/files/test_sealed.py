"""A sealed folder comes back as it went, the old or the new one after any kill, and no bit of it can change unseen."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvzero.errors import CheckpointError, RunError
from kvzero.files import SealedFolder, read_sealed, sealed, write_sealed

CONTENT = {"seven": 7, "huge": 2**90, "far": float("inf"), "names": ["a", "b"]}
FILES = {"history": b"observations", "keys_values": b"numbers"}


def write(folder: Path, content: object = CONTENT, files: dict[str, bytes] = FILES) -> None:
    write_sealed(folder, kind="contexts", newest_format=3, content=content, files=files)


def read(folder: Path) -> SealedFolder:
    return read_sealed(folder, kind="contexts", newest_format=3)


def everything(folder: Path) -> tuple[object, dict[str, bytes]]:
    found = read(folder)
    return found.content, {part: found.read(part) for part in found.checksums}


def test_it_comes_back_as_it_went_and_replaces_what_was_there(tmp_path):
    folder = tmp_path / "new" / "saved"
    write(folder)
    assert everything(folder) == (CONTENT, FILES)
    (folder / "note.txt").write_text("somebody else's", encoding="utf-8")
    write(folder, {"eight": 8}, {"history": b"others"})
    assert everything(folder) == ({"eight": 8}, {"history": b"others"})
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {"history", "manifest.json", "note.txt"}
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("num_steps", range(6))
def test_a_kill_at_any_moment_leaves_the_old_or_the_new(tmp_path, monkeypatch, num_steps):
    write(tmp_path)
    steps = iter(range(num_steps))

    def counted(function):
        def call(*arguments):
            if next(steps, None) is None:
                raise KeyboardInterrupt
            return function(*arguments)

        return call

    for name in ("write_atomically", "flush_folder"):
        monkeypatch.setattr(sealed, name, counted(getattr(sealed, name)))
    new = {"eight": 8}, {"history": b"x", "keys_values": b"y"}
    with pytest.raises(KeyboardInterrupt) if num_steps < 5 else monkeypatch.context():
        write(tmp_path, *new)
    assert everything(tmp_path) == (new if num_steps > 3 else (CONTENT, FILES))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), which=st.integers(0, 2))
def test_no_flipped_bit_is_taken_for_what_was_written(tmp_path, place, bit, which):
    write(tmp_path)
    path = sorted(tmp_path.iterdir())[which]
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    try:
        assert everything(tmp_path) == (CONTENT, FILES)  # of white space, or a zero less
    except CheckpointError:
        pass
    finally:
        path.unlink()


def test_what_cannot_be_read_is_told_apart(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere is not a folder; give one that contexts were saved to"):
        read(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"holds no manifest\.json"):
        read(tmp_path)
    write(tmp_path)
    with pytest.raises(CheckpointError, match="holds contexts, not pools"):
        read_sealed(tmp_path, kind="pools", newest_format=3)
    with pytest.raises(CheckpointError, match="has format 3, this kvzero reads up to 2; install the newer version"):
        read_sealed(tmp_path, kind="contexts", newest_format=2)
    found = read(tmp_path)
    next(tmp_path.glob("history-*")).unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        found.read("history")
    next(tmp_path.glob("keys_values-*")).write_bytes(b"other")
    with pytest.raises(CheckpointError, match="is damaged: its checksum"):
        found.read("keys_values")
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    manifest["content"]["seven"] = 8
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"manifest\.json is damaged: its checksum"):
        read(tmp_path)
    (tmp_path / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"manifest\.json is damaged"):
        read(tmp_path)


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file cannot be written"):
        write(tmp_path / "file")
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*manifest\.json"):
        write(tmp_path)
