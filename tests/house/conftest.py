"""How the tests of the house call make."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def make() -> Make:
    """Return a function that runs make as a user would, not as a child of the make that runs the tests."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}

    def run(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return run
