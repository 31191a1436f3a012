"""Sources are told from others by every byte of theirs, and by nothing else."""

from pathlib import Path

from kvzero.files import digest_sources


def test_every_source_counts_and_nothing_else_does(tmp_path: Path) -> None:
    inner = tmp_path / "room" / "inner"
    inner.mkdir(parents=True)
    found = [digest_sources([tmp_path])]
    for name in ("one.py", "inner/two.c", "inner/three.h"):
        for text in ("", "x"):
            (tmp_path / "room" / name).write_text(text, encoding="utf-8")
            found.append(digest_sources([tmp_path]))
    other = tmp_path / "rule.txt"
    other.write_text("rule", encoding="utf-8")
    found.append(digest_sources([tmp_path], [other]))
    assert len(set(found)) == len(found) - 1  # of an empty folder and of one empty file there is nothing to read
    before = digest_sources([tmp_path])
    (inner / "three.pyc").write_text("compiled", encoding="utf-8")
    assert digest_sources([tmp_path / "room"]) == digest_sources([tmp_path]) == before
