"""Storage of what the environments showed, and sampling of windows to learn from."""

from kvzero.replay.config import ReplayConfig
from kvzero.replay.replay import Replay
from kvzero.replay.sampler import Draw, EmptyReplayError, Sampler, UniformSampler
from kvzero.replay.segments import Segments

__all__ = ["Draw", "EmptyReplayError", "Replay", "ReplayConfig", "Sampler", "Segments", "UniformSampler"]
