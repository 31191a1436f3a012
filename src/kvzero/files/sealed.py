"""A folder that is one thing: a manifest, and files that it names by their checksums; replaced whole or not at all."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from kvzero.errors import CheckpointError, RunError
from kvzero.files.atomic import flush_folder, write_atomically

__all__ = ["SealedFolder", "read_sealed", "write_sealed"]

MANIFEST = "manifest.json"
PART = re.compile(r"[a-z_]+-[0-9a-f]{16}\.safetensors(\.tmp)?")


@dataclass(frozen=True, slots=True)
class SealedFolder:
    """What a manifest says, which is whole; its files are held against their checksums when they are read."""

    folder: Path
    """Where it lies."""

    content: Mapping[str, Any]
    """What was written beside the files."""

    checksums: Mapping[str, str]
    """SHA-256 of each file, by the name of its part."""

    def read(self, part: str) -> bytes:
        """Return a file.

        Raises:
            CheckpointError: if it is missing or is not what was written.
        """
        path = self.folder / _file_name(part, self.checksums[part])
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error}); save anew") from error
        if sha256(data).hexdigest() != self.checksums[part]:
            raise CheckpointError(f"{path} is damaged: its checksum is not that of what was written; save anew")
        return data


def write_sealed(
    folder: Path, *, kind: str, newest_format: int, content: Mapping[str, Any], files: Mapping[str, bytes]
) -> None:
    """Write files into a folder, which is made if need be, then a manifest with `content`; what was there before goes.

    Everything is on the disk before the manifest is replaced, so that a kill at any moment leaves the old or the new.

    Args:
        folder: where to.
        kind: what it is.
        newest_format: the format that it is written in.
        content: what goes into the manifest, as JSON can hold it.
        files: safetensors files, by the name of the part that each holds.

    Raises:
        RunError: if it cannot be written.
    """
    checksums = {part: sha256(data).hexdigest() for part, data in files.items()}
    sealed = {"content": content, "files": checksums}
    manifest = {"kind": kind, "format": newest_format, **sealed, "checksum": _seal(sealed)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part, data in files.items():
            write_atomically(folder / _file_name(part, checksums[part]), data)
        flush_folder(folder)
        write_atomically(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        flush_folder(folder)
        named = {_file_name(*entry) for entry in checksums.items()}
        for path in folder.iterdir():
            if PART.fullmatch(path.name) and path.name not in named:
                path.unlink()
    except OSError as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{folder} cannot be written ({error}); choose another folder, or free some space") from error


def read_sealed(folder: Path, *, kind: str, newest_format: int) -> SealedFolder:
    """Return what `write_sealed` wrote, in this format or an older one.

    Raises:
        CheckpointError: if the folder is missing or damaged, of another kind, or of a newer format.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give one that {kind} were saved to")
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found_kind, found_format = manifest["kind"], int(manifest["format"])
        sealed = {"content": manifest["content"], "files": manifest["files"]}
        is_whole = manifest["checksum"] == _seal(sealed)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} holds no {MANIFEST}; give a folder that {kind} were saved to") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r}); save anew") from error
    if found_kind != kind:
        raise CheckpointError(f"{folder} holds {found_kind}, not {kind}")
    if found_format > newest_format:
        raise CheckpointError(
            f"{folder} has format {found_format}, this kvzero reads up to {newest_format}; install the newer version "
            "that wrote it"
        )
    if not is_whole:
        raise CheckpointError(f"{path} is damaged: its checksum is not that of what it holds; save anew")
    return SealedFolder(folder, sealed["content"], sealed["files"])


def _file_name(part: str, checksum: str) -> str:
    return f"{part}-{checksum[:16]}.safetensors"


def _seal(sealed: Mapping[str, Any]) -> str:
    return sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()
