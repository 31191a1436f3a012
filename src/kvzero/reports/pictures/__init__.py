"""Pictures of what was measured."""

from kvzero.reports.pictures.costs import plot_costs
from kvzero.reports.pictures.curve import plot_learning_curve

__all__ = ["plot_costs", "plot_learning_curve"]
