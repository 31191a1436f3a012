"""Training beyond one process and one machine."""

from kvzero.training.distributed.config import DistributedConfig

__all__ = ["DistributedConfig"]
