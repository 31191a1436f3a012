"""A folder on a disk, which the temporary folder of a machine need not be."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvzero.cache.tiers.backend import BackendError
from kvzero.cache.tiers.folders import make_folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder that a tier can keep a file in."""
    try:
        make_folder(tmp_path / "tier")
        yield tmp_path / "tier"
    except BackendError:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            yield Path(folder)
