"""Pictures of what was measured."""

from kvzero.reports.pictures.costs import plot_costs
from kvzero.reports.pictures.curve import plot_learning_curve
from kvzero.reports.pictures.video import VideoWriter, require_video

__all__ = ["VideoWriter", "plot_costs", "plot_learning_curve", "require_video"]
