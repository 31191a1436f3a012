"""Several variants of one agent, trained in turn and held against each other."""

from kvzero.training.comparison.compare import compare
from kvzero.training.comparison.config import ComparisonConfig, variants

__all__ = ["ComparisonConfig", "compare", "variants"]
