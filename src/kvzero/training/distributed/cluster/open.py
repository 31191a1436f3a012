"""Opening what `cluster` names: a Ray of the run's own, the one that runs here, or one at an address."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kvzero.checks import read_address
from kvzero.errors import ClusterError
from kvzero.training.distributed.cluster.engine import import_ray
from kvzero.training.distributed.cluster.join import find_address, joined
from kvzero.training.distributed.cluster.local import started
from kvzero.training.distributed.cluster.nodes import wait_for_cpus

__all__ = ["check_cluster", "open_cluster"]


def check_cluster(cluster: str) -> None:
    """Refuse what is neither `local`, nor `auto`, nor HOST:PORT.

    Raises:
        ConfigError: with what it is.
    """
    if cluster not in ("local", "auto"):
        read_address("cluster", cluster, "give local, auto, or HOST:PORT of a cluster's head", is_own=False)


@contextmanager
def open_cluster(
    cluster: str, *, num_actors: int, object_store_bytes: int, trusts_network: bool = False
) -> Iterator[Any]:
    """Give the module `ray`, connected to a cluster that has a CPU for each of `num_actors` actors.

    Ends only what it began: a Ray of its own (`local`), or the connection to one that runs on (`auto`, HOST:PORT), and
    not even that where the process was connected before. The object store of a cluster that runs is as large as it is.

    Raises:
        ConfigError: if Ray is not installed.
        ClusterError: if the cluster does not start, does not answer, is not to be trusted, is of other versions, or has
            too few CPUs.
    """
    ray = import_ray()
    with _connected(ray, cluster, num_actors, object_store_bytes, trusts_network) as address:
        wait_for_cpus(ray, num_actors, address)
        yield ray


@contextmanager
def _connected(ray: Any, cluster: str, num_actors: int, object_store_bytes: int, trusts_network: bool) -> Iterator[str]:
    """Be connected, and give the address of the cluster."""
    check_cluster(cluster)
    if ray.is_initialized():
        yield _own_connection(ray, cluster)
    elif cluster == "local":
        with started(num_cpus=num_actors, object_store_bytes=object_store_bytes):
            yield "this machine"
    else:
        address = find_address() if cluster == "auto" else cluster
        with joined(address, trusts_network=trusts_network):
            yield address


def _own_connection(ray: Any, cluster: str) -> str:
    if cluster != "auto":
        raise ClusterError(
            f"cluster is {cluster}, but this process is connected to a Ray already; give auto to use that one, or call "
            "ray.shutdown() first"
        )
    address: str = ray.get_runtime_context().gcs_address
    return address
