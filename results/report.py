"""Make the page *Learning results* of all runs that are kept here: python results/report.py [OUT.md].

Of OUT, docs/results.md if not given, the charts lie beside it.
"""

import os
import sys
from pathlib import Path

from kvzero.cli import main

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "results.md"


def make(out: Path) -> int:
    """Write the page, and return what the command ends with."""
    os.chdir(HERE.parent)  # whose folders the page names
    kept = sorted(path.parent.relative_to(HERE.parent) for path in HERE.rglob("summary.json"))
    return main(["report", *map(str, kept), "--marks", "results/marks.toml", "--out", str(out.resolve())])


if __name__ == "__main__":
    sys.exit(make(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE))
