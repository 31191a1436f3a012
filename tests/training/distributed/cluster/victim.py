"""A Ray of its own, held until its process is killed: `python -m tests.training.distributed.cluster.victim`."""

import os
import signal
import sys
import time
from contextlib import suppress

from kvzero.training.distributed.cluster import open_cluster


def speak_and_die() -> None:
    """Do what Ray tells the terminal of."""
    sys.stderr.write("something\n")
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    with open_cluster("local", num_actors=1, object_store_bytes=80_000_000) as ray:
        with suppress(ray.exceptions.WorkerCrashedError):
            ray.get(ray.remote(max_retries=0)(speak_and_die).remote())
        time.sleep(0.5)  # Ray would tell of it in a thread of its own
        sys.stdout.write(f"{ray.get_runtime_context().gcs_address}\n")
        sys.stdout.flush()
        signal.pause()
