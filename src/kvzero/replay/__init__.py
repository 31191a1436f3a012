"""Storage of what the environments showed, and sampling of segments to learn from."""

from kvzero.replay.ahead import sample_ahead
from kvzero.replay.config import KNOBS, ReplayConfig, SamplerKind
from kvzero.replay.judging import Chunks
from kvzero.replay.replay import Replay
from kvzero.replay.row_spec import Field, RowSpec, build_row_spec
from kvzero.replay.segments import Segments
from kvzero.replay.snapshot import SavedArray
from kvzero.replay.step_batch import StepBatch, StepSink

__all__ = [
    "KNOBS",
    "Chunks",
    "Field",
    "Replay",
    "ReplayConfig",
    "RowSpec",
    "SamplerKind",
    "SavedArray",
    "Segments",
    "StepBatch",
    "StepSink",
    "build_row_spec",
    "sample_ahead",
]
