"""Freed memory is kept for the next update, rather than given back to the system and asked for again."""

import ctypes
import platform

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`, from its `malloc.h`."""

LARGEST_KEPT_BYTES = 1 << 28
LARGEST_NUMBER = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees in blocks of up to 256 MB; return whether it now does.

    An update allocates and frees the same large tensors each time. By default glibc returns blocks of more than 32 MB
    to the system at once, which then hands them out again page by page, cleared: a fifth of the time of an update of
    `atari-small` on one core. Larger blocks, such as the replay's, still come from the system as they fill. Where the C
    library is another one, nothing changes.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES) and mallopt(M_TRIM_THRESHOLD, LARGEST_NUMBER))
