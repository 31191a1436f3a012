"""What a tier costs a training that meets nothing it knows, and saves one that is repeated: `kvzero compare --tier`.

    python results/tiers/compare.py [--folder /var/tmp/tier] [--out results/tiers/compare.json]

The same comparison is made twice, of one training without and with an LMDB tier, which is empty at first. The second
one finds there what the first one searched. Writes compare.json: of each its command, verdict and figures by variant.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TURNS = ("first", "repeated")
COMMAND = (
    "kvzero compare cartpole --stores tree --engine auto --seeds 0,1 --env-steps {env_steps} --num-laps 6 "
    "--reanalysed-rows 64 --tier lmdb:{tier} --out {out}"
)
SHOWN = ("collect_milliseconds", "update_milliseconds", "env_steps_per_second")


def compare(env_steps: int, tier: Path, out: Path) -> dict[str, Any]:
    """Run one comparison, and return what is to be shown of its report."""
    words = shlex.split(COMMAND.format(env_steps=env_steps, tier=tier, out=out))
    subprocess.run([sys.executable, "-m", *words], check=True)  # noqa: S603  # a command of our own
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {
        "command": COMMAND.format(env_steps=env_steps, tier="TIER", out="OUT"),
        "machine": report["comparison"]["machine"],
        "versions": report["comparison"]["versions"],
        "verdict": report["verdict"],
        "figures": {
            figures["variant"]: {name: figures[name] for name in SHOWN} | {"cache": figures["cache"]}
            for figures in report["figures"]
        },
    }


def main() -> None:
    """Compare twice, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env-steps", type=int, default=1_200)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))  # noqa: S108  # on a disk, as tiers have to be
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "compare.json")
    words = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=words.folder))
    try:
        found = {turn: compare(words.env_steps, folder / "tier", folder / turn) for turn in TURNS}
    finally:
        shutil.rmtree(folder)
    words.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
