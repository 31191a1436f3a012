"""Files and folders: replaced whole or not at all, sealed with a checksum, reached wherever they lie, and sources."""

from kvzero.files.arrays import load_arrays, save_arrays
from kvzero.files.atomic import flush_folder, make_parent, write_atomically
from kvzero.files.reachable import reachable
from kvzero.files.sealed import SealedFolder, read_sealed, write_sealed
from kvzero.files.sources import digest_sources

__all__ = [
    "SealedFolder",
    "digest_sources",
    "flush_folder",
    "load_arrays",
    "make_parent",
    "reachable",
    "read_sealed",
    "save_arrays",
    "write_atomically",
    "write_sealed",
]
