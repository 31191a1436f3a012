"""The knobs of a run that others collect for."""

from dataclasses import dataclass
from math import inf

from kvzero.checks import changed_fields, check_field, read_fields
from kvzero.errors import ConfigError
from kvzero.training.distributed.cluster import check_cluster

__all__ = ["DistributedConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributedConfig:
    """Who collects, where they live, and how far behind the learner they may be."""

    collectors: int | None = None
    """Processes of Ray that collect, each in `num_envs` environments of its own; this process alone if not given."""

    cluster: str = "local"
    """Where they live: local, a Ray that this run starts on this machine and stops again; auto, the one that runs here;
    or HOST:PORT of a cluster's head."""

    cluster_trusts_network: bool = False
    """Use a cluster on a network even if it asks for no token, so that whoever reaches it runs what they like."""

    lag: int = 1
    """How many versions behind the learner's weights those may be that a step was searched with. 0 collects and updates
    in turns, 1 at the same time, both with the same results at any speed; from 2 on steps are taken as they come."""

    max_restarts: int = 3
    """Collectors that may be lost within a minute; one more ends the run, with a checkpoint."""

    start_seconds: float = 120.0
    """Time in which a process has to have started and given its first steps."""

    silent_seconds: float = 30.0
    """Time beyond that of the slowest steps so far after which a collector that says nothing counts as lost."""

    object_store_bytes: int = 200_000_000
    """Size of the object store that a local Ray gets; one that runs already has its own."""

    @property
    def num_actors(self) -> int:
        """Processes that live in the cluster; 0 in a run that needs none."""
        return self.collectors or 0

    def __post_init__(self) -> None:
        read_fields(self)
        check_field(self, "collectors", lambda value: value is None or value >= 1, "give at least 1, or nothing")
        check_cluster(self.cluster)
        for name in ("lag", "max_restarts"):
            check_field(self, name, lambda value: value >= 0, "give 0 or more")
        for name in ("start_seconds", "silent_seconds"):
            check_field(self, name, lambda value: 0 < value < inf, "give a positive number")
        check_field(
            self, "object_store_bytes", lambda value: value >= 80_000_000, "give at least 80 million, as Ray asks for"
        )
        idle = changed_fields(self)
        if self.collectors is None and idle:
            raise ConfigError(
                f"{', '.join(idle)} would have no effect, as this process collects by itself; give collectors, or "
                "leave it out"
            )
