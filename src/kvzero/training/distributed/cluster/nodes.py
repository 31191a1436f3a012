"""The nodes of a cluster that was joined: what is installed on them, and whether they have room."""

import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from kvzero.errors import ClusterError

__all__ = ["refuse_other_kvzero", "wait_for_cpus"]

OWN_VERSION = version("kvzero")
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
    for host, there in _versions(ray).items():
        if there != OWN_VERSION:
            found = "no kvzero" if there is None else f"kvzero {there}"
            raise ClusterError(
                f"node {host} of the cluster at {address} has {found}, this process kvzero {OWN_VERSION}; install the "
                "same on every node"
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
                "give fewer collectors, no evaluator beside them (--evaluate-beside False), or add nodes: "
                f"ray start --address={address}"
            )
        time.sleep(LOOK_SECONDS)


def _versions(ray: Any) -> dict[str, str | None]:
    """Return which kvzero each node has that offers CPUs, by its host name; None for none."""
    ask = ray.remote(num_cpus=0)(version)  # a function of Python's own: there may be no kvzero to find one in
    where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    replies = [ask.options(scheduling_strategy=where(node["NodeID"], soft=False)).remote("kvzero") for node in nodes]
    hosts = [node["NodeManagerHostname"] for node in nodes]
    return {host: _receive(ray, host, reply) for host, reply in zip(hosts, replies, strict=True)}


def _receive(ray: Any, host: str, reply: Any) -> str | None:
    try:
        found: str = ray.get(reply, timeout=PROCESS_SECONDS)
    except PackageNotFoundError:
        return None
    except ray.exceptions.RayError as error:
        raise ClusterError(f"node {host} of the cluster cannot run a process: {error}; see Ray's logs there") from error
    return found
