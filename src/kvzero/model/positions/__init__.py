"""How a token knows its place: rotations of queries and keys, or learned embeddings."""

from kvzero.model.positions.learned import LearnedPositions, build_positions
from kvzero.model.positions.rotary import Rotary, rotate, turn

__all__ = ["LearnedPositions", "Rotary", "build_positions", "rotate", "turn"]
