"""The device engine: whole searches where the network is, recorded once and replayed."""

from kvzero.engines.device.engine import DeviceEngine

__all__ = ["DeviceEngine"]
