"""What a run tells people: metrics, progress, plots, summary and report; knows no torch."""

from kvzero.reports.characters import SPELLED, spell
from kvzero.reports.dispensable import Dispensable
from kvzero.reports.evaluations import EVALUATIONS_FILE, read_evaluations
from kvzero.reports.figures import (
    ENV_STEPS,
    EVAL_RETURN_MAX,
    EVAL_RETURN_MEAN,
    EVAL_RETURN_MIN,
    OPEN_LOOP,
    TRAIN_RETURN,
    WALL_SECONDS,
)
from kvzero.reports.machine import describe_machine, library_versions, machine_facts, peak_rss_bytes, rss_bytes
from kvzero.reports.monitor import Monitor, check_monitor
from kvzero.reports.page import write_report
from kvzero.reports.pictures import VideoWriter, plot_costs, plot_learning_curve, require_video
from kvzero.reports.progress import ProgressDisplay
from kvzero.reports.sinks import (
    METRICS_FILE,
    SINKS,
    FigureLog,
    FigureSink,
    JsonlSink,
    MediaSink,
    SinkName,
    SinkOpener,
    TensorBoardSink,
    WandbSink,
    read_metrics,
    require_sinks,
)
from kvzero.reports.speedup import SPEEDUP_BOUND, SPEEDUP_COLLECTORS, WorkShares, bound_speedup, describe_speedup
from kvzero.reports.summary import SUMMARY_FILE, Summary, read_summary, write_summary

__all__ = [
    "ENV_STEPS",
    "EVALUATIONS_FILE",
    "EVAL_RETURN_MAX",
    "EVAL_RETURN_MEAN",
    "EVAL_RETURN_MIN",
    "METRICS_FILE",
    "OPEN_LOOP",
    "SINKS",
    "SPEEDUP_BOUND",
    "SPEEDUP_COLLECTORS",
    "SPELLED",
    "SUMMARY_FILE",
    "TRAIN_RETURN",
    "WALL_SECONDS",
    "Dispensable",
    "FigureLog",
    "FigureSink",
    "JsonlSink",
    "MediaSink",
    "Monitor",
    "ProgressDisplay",
    "SinkName",
    "SinkOpener",
    "Summary",
    "TensorBoardSink",
    "VideoWriter",
    "WandbSink",
    "WorkShares",
    "bound_speedup",
    "check_monitor",
    "describe_machine",
    "describe_speedup",
    "library_versions",
    "machine_facts",
    "peak_rss_bytes",
    "plot_costs",
    "plot_learning_curve",
    "read_evaluations",
    "read_metrics",
    "read_summary",
    "require_sinks",
    "require_video",
    "rss_bytes",
    "spell",
    "write_report",
    "write_summary",
]
