"""Where the figures of a run go, and how they are read back."""

from kvzero.reports.sinks.jsonl import METRICS_FILE, JsonlSink, read_metrics
from kvzero.reports.sinks.log import SINKS, FigureLog, FigureSink, MediaSink, SinkName, SinkOpener, require_sinks
from kvzero.reports.sinks.tensorboard import TensorBoardSink
from kvzero.reports.sinks.wandb import WandbSink

__all__ = [
    "METRICS_FILE",
    "SINKS",
    "FigureLog",
    "FigureSink",
    "JsonlSink",
    "MediaSink",
    "SinkName",
    "SinkOpener",
    "TensorBoardSink",
    "WandbSink",
    "read_metrics",
    "require_sinks",
]
