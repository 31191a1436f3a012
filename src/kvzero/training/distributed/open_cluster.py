"""The cluster of a run while it is open, and the actors that live in it."""

from contextlib import ExitStack, closing
from typing import Any

from kvzero.training.distributed.actors import Actors
from kvzero.training.distributed.cluster import ObjectStores, open_cluster
from kvzero.training.distributed.config import DistributedConfig
from kvzero.training.distributed.weights import WeightsBoard

__all__ = ["OpenCluster"]


class OpenCluster:
    """Starts a run's actors, of whatever kind, and ends them with itself."""

    def __init__(self, config: DistributedConfig, *, num_actors: int) -> None:
        """Open the cluster that the config names, for so many actors.

        Raises:
            ConfigError: if Ray is not installed.
            ClusterError: if the cluster cannot be used, or has no CPU for each actor.
        """
        self._config = config
        with ExitStack() as opened:
            self.ray: Any = opened.enter_context(
                open_cluster(
                    config.cluster,
                    num_actors=num_actors,
                    object_store_bytes=config.object_store_bytes,
                    trusts_network=config.cluster_trusts_network,
                )
            )
            """The module, which is connected."""
            self._object_stores = ObjectStores(self.ray)
            self._opened = opened.pop_all()

    def start(self, kind: type, *arguments: Any, num_actors: int, name: str) -> Actors:
        """Start actors of a class, each made with these arguments; `name` is what errors call them."""
        remote = self.ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(kind)
        given = [self.ray.put(argument) for argument in arguments]
        actors = Actors(
            self.ray, lambda _: remote.remote(*given), num_actors=num_actors, name=name, config=self._config
        )
        return self._opened.enter_context(closing(actors))

    def open_board(self) -> WeightsBoard:
        """Return what gives weights out, and holds none when the cluster is left."""
        board = WeightsBoard(self.ray.put)
        self._opened.callback(board.clear)
        return board

    def figures(self) -> dict[str, float]:
        """Return the memory of the object stores."""
        return {f"cluster/{name}": figure for name, figure in self._object_stores.figures().items()}

    def close(self) -> None:
        """End the actors, and leave the cluster."""
        self._opened.close()
