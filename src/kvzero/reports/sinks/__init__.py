"""Where the figures of a run go, and how they are read back."""

from kvzero.reports.sinks.jsonl import JsonlSink, read_metrics
from kvzero.reports.sinks.log import SINKS, FigureLog, FigureSink, SinkName, SinkOpener
from kvzero.reports.sinks.tensorboard import TensorBoardSink

__all__ = [
    "SINKS",
    "FigureLog",
    "FigureSink",
    "JsonlSink",
    "SinkName",
    "SinkOpener",
    "TensorBoardSink",
    "read_metrics",
]
