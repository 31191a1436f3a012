"""What a cluster says of itself before it is joined: whether it asks for a token, its versions, its nodes.

Ray's own client is not asked: at an address where nobody answers it waits for a minute, and then ends the process.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kvzero.errors import ClusterError

__all__ = ["ClusterFacts", "probe"]

OPTIONS = [("grpc.enable_http_proxy", 0)]
"""As Ray itself: a cluster is reached directly."""
ALIVE = 0

Metadata = tuple[tuple[str, str], ...]
"""What a call carries beside its message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFacts:
    """What is known of a cluster that answered."""

    asks_token: bool
    """Whether it refuses who has no token."""
    ray_version: str
    python_version: str
    node_hosts: dict[str, str]
    """The addresses of the nodes that are alive, by their ids."""


def probe(address: str, *, token: str | None, seconds: float) -> ClusterFacts:
    """Return what the cluster at `address` (HOST:PORT of its head) says within `seconds` for each question.

    Raises:
        ClusterError: if nobody answers there, what answers is no Ray, or the token is missing or wrong.
    """
    import grpc  # noqa: PLC0415  # as heavy as Ray, and only for it

    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        try:
            return _ask(channel, token, seconds)
        except grpc.RpcError as error:
            raise _refusal(address, error, token) from error


def _ask(channel: Any, token: str | None, seconds: float) -> ClusterFacts:
    import grpc  # noqa: PLC0415

    call = _caller(channel, seconds)
    asks_token = False
    metadata: Metadata = ()
    try:
        versions = _read_versions(call, metadata)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAUTHENTICATED or token is None:
            raise
        asks_token, metadata = True, (("authorization", f"Bearer {token}"),)
        versions = _read_versions(call, metadata)
    return ClusterFacts(
        asks_token=asks_token,
        ray_version=versions["ray_version"],
        python_version=versions["python_version"],
        node_hosts=_read_nodes(call, metadata),
    )


def _caller(channel: Any, seconds: float) -> Callable[..., Any]:
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc  # noqa: PLC0415

    def call(service: str, method: str, metadata: Metadata, **fields: Any) -> Any:
        stub = getattr(gcs_service_pb2_grpc, f"{service}GcsServiceStub")(channel)
        request = getattr(gcs_service_pb2, f"{method}Request")(**fields)
        return getattr(stub, method)(request, timeout=seconds, metadata=metadata)

    return call


def _read_versions(call: Callable[..., Any], metadata: Metadata) -> dict[str, str]:
    reply = call("InternalKV", "InternalKVGet", metadata, namespace=b"cluster", key=b"CLUSTER_METADATA")
    versions: dict[str, str] = json.loads(reply.value)
    return versions


def _read_nodes(call: Callable[..., Any], metadata: Metadata) -> dict[str, str]:
    nodes = call("NodeInfo", "GetAllNodeInfo", metadata).node_info_list
    return {node.node_id.hex(): node.node_manager_address for node in nodes if node.state == ALIVE}


def _refusal(address: str, error: Any, token: str | None) -> ClusterError:
    import grpc  # noqa: PLC0415

    if error.code() is grpc.StatusCode.UNAUTHENTICATED:
        found = "there is none" if token is None else "this user's is another"
        return ClusterError(
            f"the cluster at {address} asks for a token, and {found}; bring the cluster's as RAY_AUTH_TOKEN, or as the "
            "file ~/.ray/auth_token"
        )
    return ClusterError(
        f"no Ray answers at {address} ({error.details()}); give the address of a head that runs (ray start "
        "--head), and see that no firewall is between and no other program has its port"
    )
