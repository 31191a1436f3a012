"""The shapes of the documentation, in both number types."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["CASES"]

SMALL, LARGE = {"embed_dim": 64, "num_heads": 2}, {"embed_dim": 768, "num_heads": 8}
SHAPES: Sequence[Mapping[str, Any]] = (
    {"num_envs": 8, **SMALL, "num_searches": 80},
    {"num_envs": 64, **SMALL, "num_searches": 40},
    {"num_envs": 8, **LARGE, "num_searches": 24},
    {"num_envs": 64, **LARGE, "num_searches": 16},
    {"num_envs": 8, **LARGE, "num_searches": 24, "head_expansion": 4},
)
CASES: Sequence[Mapping[str, Any]] = [
    {**shape, "dtype": dtype} for shape in SHAPES for dtype in ("float32", "bfloat16")
]
"""Settings of `SearchBench`, one set for each row of the documentation's table."""
