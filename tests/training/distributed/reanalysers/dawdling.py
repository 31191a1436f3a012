"""A reanalyser that takes as long as chance, which no seed decides, will have it."""

import os
import random
import time
from pathlib import Path

from kvzero.training.distributed.reanalysers.remote import RemoteReanalyser

SLOWEST_SECONDS = 0.2


class Dawdling(RemoteReanalyser):
    """Sleeps before it searches, and leaves a file in the run's folder with the number of its process for a name."""

    def search(self, order, weights):
        (Path(self._config.runs_dir) / "processes" / str(os.getpid())).touch()
        time.sleep(random.SystemRandom().uniform(0, SLOWEST_SECONDS))
        return super().search(order, weights)
