"""How fast search and training are on this machine, and how fast a peer is: measurements, returned as records."""

from kvzero.bench.codecs import CodecBench, CodecFigures, measure_codecs
from kvzero.bench.config import SearchBench
from kvzero.bench.figures import SearchFigures
from kvzero.bench.own import random_network
from kvzero.bench.search import measure_search
from kvzero.bench.suite import CASES
from kvzero.bench.sweep import Line, Sweep, draw_sweep, measure_sweep
from kvzero.bench.training import TrainBench, TrainFigures, measure_training

__all__ = [
    "CASES",
    "CodecBench",
    "CodecFigures",
    "Line",
    "SearchBench",
    "SearchFigures",
    "Sweep",
    "TrainBench",
    "TrainFigures",
    "draw_sweep",
    "measure_codecs",
    "measure_search",
    "measure_sweep",
    "measure_training",
    "random_network",
]
