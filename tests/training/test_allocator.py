"""Memory that an update frees is there for the next one."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from kvzero.training.allocator import keep_freed_memory

def faults(num_bytes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.full(num_bytes, 1, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "keep":
    assert keep_freed_memory()
[faults(48 << 20) for _ in range(3)]
print(faults(48 << 20))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_block_that_was_freed_is_not_asked_of_the_system_again() -> None:
    def faults(word: str) -> int:
        done = subprocess.run([sys.executable, "-c", PROGRAM, word], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("keep") < 20 < faults("default")
