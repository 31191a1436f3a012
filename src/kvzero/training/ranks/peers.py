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
ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


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
    if (gone := _find_gone(peers)) is not None:
        what = f"rank {gone} (process {peers[gone].process}) has ended in the middle of the run"
    elif (stopped := _find_stopped(peers)) is not None:
        what = f"rank {stopped} (process {peers[stopped].process}) was stopped and does not answer"
    else:
        said = " ".join(str(error).split("\n", maxsplit=1)[0].split())
        what = f"a rank is gone or does not answer ({said})"
    return RankError(f"{what}, and ends it for all; go on from its newest checkpoint: kvzero train --resume RUN")


def _find_gone(peers: Sequence[Peer]) -> int | None:
    """Return the first rank of this machine whose process has ended."""
    local = _find_local(peers)
    deadline = time.monotonic() + GRACE_SECONDS
    while local:
        for rank in local:
            if _status(peers[rank]) in ENDED:
                return rank
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    return None


def _find_stopped(peers: Sequence[Peer]) -> int | None:
    """Return the first rank of this machine whose process stands still."""
    return next((rank for rank in _find_local(peers) if _status(peers[rank]) == psutil.STATUS_STOPPED), None)


def _find_local(peers: Sequence[Peer]) -> list[int]:
    return [rank for rank, peer in enumerate(peers) if peer.host == socket.gethostname()]


def _status(peer: Peer) -> str:
    try:
        status: str = psutil.Process(peer.process).status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_DEAD
    return status
