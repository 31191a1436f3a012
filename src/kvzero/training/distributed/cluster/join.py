"""Joining a cluster that runs already, once it is known to be fit for a run."""

import atexit
import ipaddress
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import psutil

from kvzero.checks import read_address
from kvzero.errors import ClusterError
from kvzero.training.distributed.cluster.engine import QUIET, at_loopback, authenticating, import_ray
from kvzero.training.distributed.cluster.local import FOLDER_PREFIX
from kvzero.training.distributed.cluster.nodes import refuse_other_kvzero
from kvzero.training.distributed.cluster.probe import ClusterFacts, probe
from kvzero.training.distributed.cluster.tokens import read_token

__all__ = ["find_address", "joined"]

PROBE_SECONDS = 5.0
"""How long a cluster may take to answer each of the questions that it is asked before it is joined."""
RAYLET = "raylet"
PATIENCE = {"RAY_gcs_rpc_server_reconnect_timeout_s": "3600"}
"""Ray ends a process whose head was away for a minute, without a word to it; the run has time-outs of its own."""


@contextmanager
def joined(address: str, *, trusts_network: bool) -> Iterator[None]:
    """Be connected to the cluster at `address`; what runs there runs on afterwards.

    Raises:
        ClusterError: if it does not answer, is of other versions, has no node on this machine, or asks for no token
            where `trusts_network` does not allow that.
    """
    ray = import_ray()
    token = read_token()
    facts = probe(address, token=token, seconds=PROBE_SECONDS)
    is_at_loopback = all(ipaddress.ip_address(host).is_loopback for host in facts.node_hosts.values())
    if not facts.asks_token and not trusts_network and not is_at_loopback:
        raise ClusterError(
            f"the cluster at {address} asks for no token: whoever reaches it can run code on this machine; start it "
            "with RAY_AUTH_MODE=token, or give --cluster-trusts-network True where only those can reach it who may"
        )
    _refuse_other_versions(address, facts, ray)
    _refuse_strangers(address, facts)
    mode = {"RAY_AUTH_MODE": "token" if facts.asks_token else "disabled"}
    with authenticating(PATIENCE | mode), at_loopback() if is_at_loopback else nullcontext():
        _connect(ray, address)
    try:
        refuse_other_kvzero(ray, address)
        yield
    finally:
        _leave(ray, address, token)


def find_address() -> str:
    """Return the address of the cluster that `auto` means: `RAY_ADDRESS`, else the only one on this machine.

    Raises:
        ClusterError: if there is none, or are several, or `RAY_ADDRESS` is no address.
    """
    if given := os.environ.get("RAY_ADDRESS"):
        wanted = "as cluster is auto, give HOST:PORT of a cluster's head there"
        read_address("RAY_ADDRESS", given, wanted, is_own=False, error=ClusterError)
        return given
    found = sorted(set(_running_addresses()))
    if len(found) == 1:
        return found[0]
    if not found:
        raise ClusterError(
            "cluster is auto, but no Ray runs on this machine and RAY_ADDRESS is not set; start one (ray start "
            "--head), give HOST:PORT of one, or give local for one that lives as long as the run"
        )
    raise ClusterError(f"cluster is auto, but several run on this machine; give one of {', '.join(found)}")


def _running_addresses() -> Iterator[str]:
    """Yield the addresses of the clusters that have a node on this machine, but those that kvzero began for a run."""
    for words in _raylets():
        options = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--") and "=" in word)
        if "gcs-address" in options and FOLDER_PREFIX not in options.get("session_dir", ""):
            yield options["gcs-address"]


def _raylets() -> Iterator[list[str]]:
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == RAYLET:
            with suppress(psutil.Error):  # it has just ended, or is another user's
                yield process.cmdline()


def _refuse_other_versions(address: str, facts: ClusterFacts, ray: Any) -> None:
    for what, there, here in (
        ("Ray", facts.ray_version, ray.__version__),
        ("Python", facts.python_version, platform.python_version()),
    ):
        if there != here:
            raise ClusterError(
                f"the cluster at {address} runs {what} {there}, this process {here}, and they do not understand each "
                "other; install the same on both"
            )


def _refuse_strangers(address: str, facts: ClusterFacts) -> None:
    """Refuse what Ray would try for a minute: to use a cluster that has no node on this machine."""
    words = {word for raylet in _raylets() for word in raylet}
    if not any(f"--node_id={node}" in words for node in facts.node_hosts):
        raise ClusterError(
            f"this machine is no node of the cluster at {address}; make it one that runs no actors: "
            f"ray start --address={address} --num-cpus=0"
        )


def _connect(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, **QUIET)
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        raise ClusterError(f"the cluster at {address} cannot be joined: {error}") from error


def _leave(ray: Any, address: str, token: str | None) -> None:
    """Take leave of a cluster; of one that does not answer without, since Ray would wait for it."""
    try:
        probe(address, token=token, seconds=PROBE_SECONDS)
    except ClusterError:
        atexit.unregister(ray.shutdown)
    else:
        ray.shutdown()
