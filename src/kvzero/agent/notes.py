"""What is said of an agent in the header of the file that holds its weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from kvzero.errors import CheckpointError
from kvzero.files import reachable

__all__ = ["read_notes", "to_metadata"]

KEY = "kvzero"
"""One entry for all notes: safetensors writes several in a different order each time, and so other bytes."""

FORMAT = 1


def to_metadata(notes: Mapping[str, Any]) -> dict[str, str]:
    """Return notes, which JSON can hold, as the metadata of a safetensors file."""
    return {KEY: json.dumps({"format": FORMAT, **notes})}


def read_notes(path: Path) -> dict[str, Any]:
    """Return the notes of a file that `kvzero export` wrote; nothing in it is run.

    Raises:
        CheckpointError: if it is damaged, another kind of file, or from a newer version.
    """
    try:
        with reachable(path) as place, safe_open(place, framework="pt") as file:
            notes: dict[str, Any] = json.loads((file.metadata() or {})[KEY])
        found = int(notes["format"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no agent that kvzero export wrote, or damaged ({error!r}); give such a file, or a run's folder"
        ) from error
    if found > FORMAT:
        raise CheckpointError(
            f"{path} has format {found}, this kvzero reads up to {FORMAT}; install the newer version that wrote it"
        )
    return notes
