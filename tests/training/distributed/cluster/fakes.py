"""A head of Ray that only says what it is: who asks for more finds nobody."""

import json
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import ray
from ray.core.generated import gcs_pb2, gcs_service_pb2, gcs_service_pb2_grpc

TOKEN = "0123456789abcdef" * 4
NODES = (bytes(range(28)), bytes(range(1, 29)))
"""A node that is alive, and one that is not any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeHead:
    """What it says."""

    token: str | None = TOKEN
    ray_version: str = ray.__version__
    python_version: str = platform.python_version()
    host: str = "127.0.0.1"
    """Where it says that its nodes are."""

    def allow(self, context: Any) -> None:
        """Refuse who brings no token, or another."""
        brought = dict(context.invocation_metadata()).get("authorization")
        if self.token is not None and brought != f"Bearer {self.token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")


class Keys(gcs_service_pb2_grpc.InternalKVGcsServiceServicer):
    """Answers with the versions."""

    def __init__(self, head: FakeHead) -> None:
        self._head = head

    def InternalKVGet(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._head.allow(context)
        assert (request.namespace, request.key) == (b"cluster", b"CLUSTER_METADATA")
        versions = {"ray_version": self._head.ray_version, "python_version": self._head.python_version}
        return gcs_service_pb2.InternalKVGetReply(value=json.dumps(versions).encode())


class Nodes(gcs_service_pb2_grpc.NodeInfoGcsServiceServicer):
    """Answers with the nodes."""

    def __init__(self, head: FakeHead) -> None:
        self._head = head

    def GetAllNodeInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._head.allow(context)
        nodes = [
            gcs_pb2.GcsNodeInfo(node_id=node, state=state, node_manager_address=self._head.host)
            for state, node in enumerate(NODES)
        ]
        return gcs_service_pb2.GetAllNodeInfoReply(node_info_list=nodes)


@contextmanager
def serving(head: FakeHead) -> Iterator[str]:
    """Give the address of a fake."""
    server = grpc.server(ThreadPoolExecutor(1))
    gcs_service_pb2_grpc.add_InternalKVGcsServiceServicer_to_server(Keys(head), server)
    gcs_service_pb2_grpc.add_NodeInfoGcsServiceServicer_to_server(Nodes(head), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
