"""The device engine: whole searches where the network is, recorded once and replayed."""

from kvzero.engines.device.engine import DeviceEngine
from kvzero.engines.device.recordings import Recording

__all__ = ["DeviceEngine", "Recording"]
