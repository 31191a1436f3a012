"""Who else searches a shape: mctx, written in JAX. Its modules are imported only when it is asked for."""

from kvzero.bench.peers.find import Peer, find_peer, find_peer_floor

__all__ = ["Peer", "find_peer", "find_peer_floor"]
