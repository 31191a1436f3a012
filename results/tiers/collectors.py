"""Where results of searches do not pay: collectors.

    python results/tiers/collectors.py [--steps 2000] [--out results/tiers]

Eight environments of `cartpole` are collected from, and after each step the keys of their roots are looked up in an
LMDB tier and, where they are not known, written to it with a result of 1,000 bytes. The weights never change, which is
the best that could befall a collector. Writes collectors.json: time per step without and with that, and how many of the
look-ups were hits.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import kvzero
from kvzero.cache import TierConfig, open_tier
from kvzero.cache.tiers import Entry
from kvzero.reports import machine_facts
from kvzero.training.session.components import build_components

RESULT_BYTES = 1_000
FOLDERS = Path("/var/tmp")  # noqa: S108  # on a disk, as LMDB tiers have to be


def measure(num_steps: int, folder: str) -> dict[str, float]:
    """Return medians over steps, and the share of hits."""
    config = kvzero.preset("cartpole")
    parts, _ = build_components(config)
    tier = open_tier(TierConfig(tier=(f"lmdb:{folder}",)))
    if tier is None:
        raise OSError(f"{folder} takes no tier")
    planner, envs = parts.source.planner, np.arange(config.env.num_envs)
    masks = np.ones((len(envs), parts.learner.network.spec.num_actions), bool)
    namespace, payload = planner._namespace(), bytes(RESULT_BYTES)
    collecting, asking = [], []
    for _ in range(num_steps):
        begun = time.perf_counter()
        parts.source.collector.step(1.0)
        collected = time.perf_counter()
        keys = [namespace.key(history) for history in planner._histories(envs, masks)]
        found = tier.get_many(namespace.digest, keys)
        missed = {
            key: Entry(payload, "none", (RESULT_BYTES,)) for key, entry in zip(keys, found, strict=True) if not entry
        }
        tier.set_many(namespace.digest, missed)
        asked = time.perf_counter()
        collecting.append(1000 * (collected - begun))
        asking.append(1000 * (asked - collected))
    stats = tier.stats()["lmdb"]
    tier.close()
    parts.source.envs.close()
    return {
        "steps": num_steps,
        "collect_ms": statistics.median(collecting),
        "with_tier_ms": statistics.median(np.add(collecting, asking)),
        "lookups": stats.total_queries,
        "hits": stats.hits,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=FOLDERS) as folder:
        found = measure(args.steps, folder)
    print(json.dumps(found))
    content = {"machine": machine_facts(), **found}
    (args.out / "collectors.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
