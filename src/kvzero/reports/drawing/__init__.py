"""What pages are made of beside text: tables, and charts whose places are worked out before a template draws them."""

from kvzero.reports.drawing.lines import NUM_COLOURS, Line, LineChart, line_chart
from kvzero.reports.drawing.table import Table

__all__ = ["NUM_COLOURS", "Line", "LineChart", "Table", "line_chart"]
