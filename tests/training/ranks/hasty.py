"""The command line in ranks that wait for each other for seconds: `python -m tests.training.ranks.hasty WORDS`."""

import sys
from datetime import timedelta

from kvzero.cli import main
from kvzero.training.ranks import group

TIMEOUT_SECONDS = 8

if __name__ == "__main__":
    group.TIMEOUT = timedelta(seconds=TIMEOUT_SECONDS)
    sys.exit(main(sys.argv[1:]))
