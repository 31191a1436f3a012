"""The identity of code: a digest of its source files, by which what other code made is told from one's own."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

__all__ = ["digest_sources"]

SUFFIXES = (".py", ".c", ".h")


def digest_sources(folders: Iterable[Path], others: Iterable[Path] = ()) -> str:
    """Return the SHA-256, in hexadecimal, of all Python and C sources in these folders and below, and of other files.

    It reads them as they are now: who asks late, in a folder that is being edited, hears of code that is not running.
    """
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES]
    return sha256(b"\0".join(path.read_bytes() for path in [*found, *others])).hexdigest()
