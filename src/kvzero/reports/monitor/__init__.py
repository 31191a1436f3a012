"""A run's figures for Prometheus, to be asked for over HTTP while it goes on; the extra `monitor`."""

from kvzero.reports.monitor.address import check_monitor
from kvzero.reports.monitor.monitor import Monitor

__all__ = ["Monitor", "check_monitor"]
