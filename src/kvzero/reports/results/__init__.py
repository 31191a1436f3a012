"""What finished runs reached: groups of seeds, aggregates with intervals, references, and documents."""

from kvzero.reports.results.files import OUT_KINDS, read_results_file, write_results
from kvzero.reports.results.marks import Marks, read_marks
from kvzero.reports.results.records import Results, RunResult, Skipped

__all__ = ["OUT_KINDS", "Marks", "Results", "RunResult", "Skipped", "read_marks", "read_results_file", "write_results"]
