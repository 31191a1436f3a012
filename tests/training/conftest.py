"""Runs of this room are quick."""

import pytest


@pytest.fixture(autouse=True)
def quick(no_pictures: None) -> None:
    """Draw no pictures, in any test."""
