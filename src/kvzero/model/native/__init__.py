"""The compiled engine: a node of the search as one call of machine code, built by the machine's own C compiler."""

from kvzero.model.native.build import load_library
from kvzero.model.native.engine import Drawing, NativeNetwork, NativeSearch

__all__ = ["Drawing", "NativeNetwork", "NativeSearch", "load_library"]
