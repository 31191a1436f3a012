"""The one tree of errors: every refusal that kvzero makes is a `KvzeroError`."""

__all__ = [
    "CacheError",
    "CheckpointError",
    "ClusterError",
    "ConfigError",
    "DeviceError",
    "EmptyReplayError",
    "EngineError",
    "EnvError",
    "KvzeroError",
    "KvzeroWarning",
    "PoolFullError",
    "PriorityError",
    "ProcessError",
    "RankError",
    "RunError",
    "SearchError",
    "StaleContextError",
]


class KvzeroError(Exception):
    """Base of every error raised on purpose by kvzero."""


class KvzeroWarning(UserWarning):
    """Something is lost or done without, and the work goes on."""


class ConfigError(KvzeroError, ValueError):
    """A setting, or a combination of settings, that cannot work."""


class DeviceError(KvzeroError, RuntimeError):
    """A device was asked for that this machine does not have."""


class EngineError(KvzeroError, RuntimeError):
    """An engine of search was asked for where it cannot run; the message names why."""


class EnvError(KvzeroError, RuntimeError):
    """An environment raised, or returned something that cannot be learnt from."""


class EmptyReplayError(KvzeroError, LookupError):
    """A sample was asked of a replay that holds no step with a next observation yet."""


class PriorityError(KvzeroError, ValueError):
    """An error of a prediction that no priority can be made of."""


class SearchError(KvzeroError, ValueError):
    """A root, an evaluation, a visit count or weights that cannot be searched with: a shape, a type or a number."""


class CacheError(KvzeroError, ValueError):
    """A key, an entry or an environment that a cache cannot take."""


class PoolFullError(CacheError, RuntimeError):
    """A pool has to evict, but everything in it is pinned."""


class StaleContextError(KvzeroError, RuntimeError):
    """Cached keys were about to be read that other weights had made."""


class ProcessError(KvzeroError, RuntimeError):
    """A process that kvzero began ended before it answered; the message says how."""


class RankError(KvzeroError, RuntimeError):
    """A rank of a run that learns in several is gone or does not answer; the message says which."""


class RunError(KvzeroError, OSError):
    """A run folder cannot be used: it exists, is empty, is not writable or is full."""


class CheckpointError(KvzeroError, RuntimeError):
    """A checkpoint is damaged, from another configuration, or from a newer version."""


class ClusterError(KvzeroError, RuntimeError):
    """A cluster of Ray cannot be started, joined or used; the message names why."""
