"""Storage of what the environments showed, and sampling of windows to learn from."""

from kvzero.replay.ahead import sample_ahead
from kvzero.replay.config import ReplayConfig
from kvzero.replay.replay import Replay
from kvzero.replay.sampler import Draw, Sampler, UniformSampler
from kvzero.replay.segments import Segments

__all__ = ["Draw", "Replay", "ReplayConfig", "Sampler", "Segments", "UniformSampler", "sample_ahead"]
