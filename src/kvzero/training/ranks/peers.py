"""Who the other ranks are, and which of them is gone when one does not answer."""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from kvzero.errors import RankError

__all__ = ["Peer", "lost_rank"]

GRACE_SECONDS = 2.0
"""How long after its connection a process may be seen to live."""

LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The process of one rank."""

    host: str
    process: int


def lost_rank(peers: Sequence[Peer], error: RuntimeError) -> RankError:
    """Return the error that says which rank is gone, after what torch.distributed raised.

    A process of this machine is looked for, where it may take a moment to be gone. Of others nothing more is known than
    what was raised.
    """
    gone = _find_gone(peers)
    if gone is None:
        said = " ".join(str(error).split("\n", maxsplit=1)[0].split())
        what = f"a rank is gone or does not answer ({said})"
    else:
        what = f"rank {gone} (process {peers[gone].process}) has ended in the middle of the run"
    return RankError(f"{what}, and ends it for all; go on from its newest checkpoint: kvzero train --resume RUN")


def _find_gone(peers: Sequence[Peer]) -> int | None:
    """Return the first rank of this machine whose process has ended."""
    local = [rank for rank, peer in enumerate(peers) if peer.host == socket.gethostname()]
    deadline = time.monotonic() + GRACE_SECONDS
    while local:
        for rank in local:
            if not _is_running(peers[rank].process):
                return rank
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    return None


def _is_running(process: int) -> bool:
    try:
        return psutil.Process(process).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
