"""Whether a folder is one that LMDB can keep a file in: on a disk of this machine, and our own."""

import os
from pathlib import Path

import psutil

from kvzero.cache.tiers.backend import BackendError

__all__ = ["make_folder"]

IN_MEMORY = ("devtmpfs", "ramfs", "tmpfs")
ON_NETWORKS = ("afs", "beegfs", "ceph", "cifs", "fuse.sshfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs")
FILES = ("data.mdb", "lock.mdb")


def make_folder(folder: Path) -> None:
    """Make the folder of a tier, if there is none yet.

    LMDB believes what a file says about itself: one that somebody else wrote could end this process.

    Raises:
        BackendError: if it cannot be made, lies in memory or on a network, or holds a file of another user.
    """
    kind = _filesystem(folder)
    if kind in IN_MEMORY:
        raise BackendError(
            f"it lies in memory ({kind}), where it would be gone with the machine; name a folder on a disk"
        )
    if kind in ON_NETWORKS:
        raise BackendError(f"it lies on a network ({kind}), where LMDB cannot lock; name a folder on a disk")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owners = {(folder / name).stat().st_uid for name in FILES if (folder / name).exists()}
    except OSError as error:
        raise BackendError(f"its folder cannot be used ({error.strerror})") from error
    if not owners <= {os.geteuid()}:
        raise BackendError("its file belongs to another user; name a folder of your own")


def _filesystem(folder: Path) -> str:
    """Return the kind of filesystem that a folder lies on, or would lie on once it is made."""
    path = folder.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounts[place] for place in (path, *path.parents) if place in mounts), "")
