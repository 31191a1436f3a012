"""What a terminal cannot show is spelled, and a path keeps its bytes."""

import os

import pytest

from kvzero.reports.characters import SPELLED, spell


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "473.1 ± 3.2 · 1 日"),
        ("ascii", "473.1 +- 3.2 - 1 ?"),
        ("latin-1", "473.1 ± 3.2 · 1 ?"),
        ("euc_jp", "473.1 ± 3.2 - 1 日"),
    ],
)
def test_what_an_encoding_lacks_is_spelled_and_nothing_else(encoding: str, text: str) -> None:
    assert spell("473.1 ± 3.2 · 1 日", encoding) == text


def test_bytes_that_are_no_text_reach_a_stream_as_they_are() -> None:
    path = os.fsdecode(b"runs/caf\xe9")
    assert path.encode("utf-8", SPELLED) == b"runs/caf\xe9"
    assert spell(path, "utf-8") == r"runs/caf\xe9"


def test_it_is_for_writing_only() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\xe9".decode("utf-8", SPELLED)
