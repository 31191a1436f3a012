"""Files of a run: replaced whole or not at all, and reached wherever they lie."""

from kvzero.reports.files.arrays import load_arrays, save_arrays
from kvzero.reports.files.atomic import write_atomically
from kvzero.reports.files.reachable import reachable

__all__ = ["load_arrays", "reachable", "save_arrays", "write_atomically"]
