"""The nodes of a cluster that was joined: what is installed on them, and whether they have room."""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from kvzero.errors import ClusterError

__all__ = ["refuse_other_kvzero", "wait_for_cpus"]

PROCESS_SECONDS = 60.0
"""How long a node may take to begin a process, which is fast where it has memory."""
ROOM_SECONDS = 10.0
"""How long a cluster may take to free what another run has just left."""
LOOK_SECONDS = 0.2


def refuse_other_kvzero(ray: Any, address: str) -> None:
    """Refuse nodes that could hold actors, and have another kvzero, or none.

    Raises:
        ClusterError: with the name of the node.
    """
    here = version("kvzero")
    for host, there in _versions(ray).items():
        if there != here:
            found = "no kvzero" if there is None else f"kvzero {there}"
            raise ClusterError(
                f"node {host} of the cluster at {address} has {found}, this process kvzero {here}; install the same "
                "on every node"
            )


def wait_for_cpus(ray: Any, num_actors: int, address: str) -> None:
    """Return once there is a CPU for each actor.

    Raises:
        ClusterError: if there is none in time, where Ray would wait for ever.
    """
    give_up_at = time.monotonic() + ROOM_SECONDS
    while ray.available_resources().get("CPU", 0) < num_actors:
        total = ray.cluster_resources().get("CPU", 0)
        if total < num_actors or time.monotonic() > give_up_at:
            free = ray.available_resources().get("CPU", 0)
            raise ClusterError(
                f"the cluster at {address} has {free:g} of {total:g} CPUs free, and {num_actors} actors need one each; "
                f"give fewer collectors, or add nodes: ray start --address={address}"
            )
        time.sleep(LOOK_SECONDS)


def _versions(ray: Any) -> dict[str, str | None]:
    """Return which kvzero each node has that offers CPUs, by its host name; None for none."""
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    ask = ray.remote(num_cpus=0)(_version_reader())
    where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    replies = {
        ask.options(scheduling_strategy=where(node["NodeID"], soft=False)).remote(): node["NodeManagerHostname"]
        for node in nodes
    }
    ready, late = ray.wait(list(replies), num_returns=len(replies), timeout=PROCESS_SECONDS) if replies else ([], [])
    if late:
        raise ClusterError(
            f"node {replies[late[0]]} began no process within {PROCESS_SECONDS:g} s; see Ray's logs there"
        )
    try:
        return {replies[reply]: found for reply, found in zip(ready, ray.get(ready), strict=True)}
    except ray.exceptions.RayError as error:
        raise ClusterError(f"a node of the cluster cannot run a process: {error}") from error


def _version_reader() -> Callable[[], str | None]:
    """Return a function that travels whole, to where there may be no kvzero."""

    def read_version() -> str | None:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        try:
            return version("kvzero")
        except PackageNotFoundError:
            return None

    return read_version
