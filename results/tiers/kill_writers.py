"""Processes share one LMDB tier while some of them are killed: does any of them ever find what was not written?

    python results/tiers/kill_writers.py --folder /var/tmp/tier --seconds 60 --processes 4 --kills 100

Every entry can be told from its key. A process keeps entries and looks up those of all; what it finds it checks. At
even times one process, never the first one, gets SIGKILL and another takes its place. Prints one JSON object, and
writes it to `--out`: kills; hits, wrong entries, entries written and dropped, and misses by reason, as those counted
that lived to the end; the bytes of the files and their bound; and by how much the memory of the first one grew in the
second half, when as much waits to be written as may.
"""

import argparse
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

import psutil

from kvzero.cache.tiers import Entry, TierConfig, open_tier
from kvzero.reports import machine_facts

NAMESPACE = blake2b(b"kill writers", digest_size=32).digest()
MAX_BYTES = 16 << 20
BATCH = 32


def make_key(number: int) -> bytes:
    """Return the key with a number."""
    return blake2b(number.to_bytes(8, "little"), digest_size=32, person=b"key").digest()


def make_entry(number: int) -> Entry:
    """Return the one entry that may lie under the key with a number."""
    start = blake2b(number.to_bytes(8, "little"), person=b"entry").digest()
    return Entry(start * (1 + number % 64), "none", (number % 64, 64), 0.001)


def work(folder: Path, num_keys: int, seed: int, halves: tuple[float, float], report: Path) -> None:
    """Keep entries, look up those of all and check what is found; in the end, write what was counted."""
    half_at, stop_at = halves
    rng = random.Random(seed)
    tier = open_tier(TierConfig(tier=(f"lmdb:{folder}",), tier_max_bytes=MAX_BYTES))
    if tier is None:
        raise SystemExit(1)
    num_wrong, first_bytes = 0, 0
    with closing(tier):
        while (now := time.monotonic()) < stop_at:
            if not first_bytes and now > half_at:
                first_bytes = anonymous_bytes()
            numbers = rng.sample(range(num_keys), BATCH)
            found = tier.get_many(NAMESPACE, [make_key(number) for number in numbers])
            entries = {number: make_entry(number) for number in numbers}
            num_wrong += sum(
                entry is not None and entry != entries[number] for number, entry in zip(numbers, found, strict=True)
            )
            tier.set_many(NAMESPACE, {make_key(number): entry for number, entry in entries.items()})
            time.sleep(0.002)
        growth = anonymous_bytes() - first_bytes
        stats = tier.stats()["lmdb"]
    counts = {"hits": stats.hits, "wrong": num_wrong, "written": stats.written, "growth_bytes": growth}
    reasons = {"misses": stats.misses, "dropped": stats.dropped}
    report.write_text(json.dumps(counts | reasons), encoding="utf-8")


def anonymous_bytes() -> int:
    """Return the memory of this process without the file that it maps."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - memory.shared)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--keys", type=int, default=20_000, help="as many as the files hold about twice over")
    parser.add_argument("--out", type=Path, help="also write the JSON object there")
    words = parser.parse_args()
    reports = words.folder / "reports"
    reports.mkdir(parents=True)
    halves = time.monotonic() + words.seconds / 2, time.monotonic() + words.seconds
    living: list[int] = []

    def begin(seed: int) -> None:
        process = os.fork()  # what is imported need not be imported again
        if not process:
            work(words.folder / "tier", words.keys, seed, halves, reports / f"{seed}.json")
            os._exit(0)
        living.append(process)

    for seed in range(words.processes):
        begin(seed)
    for kill in range(words.kills):
        time.sleep(words.seconds / (words.kills + 1))
        victim = living.pop(1)  # the first one lives to the end, to see whether its memory grows
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        begin(words.processes + kill)
    statuses = [os.waitpid(process, 0)[1] for process in living]
    told = {"kills": words.kills, "seconds": words.seconds, "processes": words.processes}
    found = summarise(words.folder, reports, statuses) | told
    print(json.dumps(found))
    if words.out is not None:
        words.out.write_text(json.dumps(found | {"machine": machine_facts()}, indent=1) + "\n", encoding="utf-8")


def summarise(folder: Path, reports: Path, statuses: list[int]) -> dict[str, Any]:
    """Return what those counted that were not killed."""
    counted = [json.loads(path.read_text(encoding="utf-8")) for path in reports.glob("*.json")]
    first = json.loads((reports / "0.json").read_text(encoding="utf-8"))
    return {
        "statuses": statuses,
        "hits": sum(counts["hits"] for counts in counted),
        "wrong": sum(counts["wrong"] for counts in counted),
        "written": sum(counts["written"] for counts in counted),
        **{kind: sum_up(counts[kind] for counts in counted) for kind in ("misses", "dropped")},
        "file_bytes": sum(path.stat().st_size for path in (folder / "tier").rglob("data.mdb")),
        "max_bytes": MAX_BYTES,
        "growth_bytes": first["growth_bytes"],
    }


def sum_up(counted: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums by reason, without those that are none."""
    sums: Counter[str] = Counter()
    for counts in counted:
        sums.update(counts)
    return {reason: count for reason, count in sums.items() if count}


if __name__ == "__main__":
    main()
