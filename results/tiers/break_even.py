"""When a tier pays: what it takes to fetch a context or a result, against what it takes to make it.

    python results/tiers/break_even.py [--rounds 20] [--out results/tiers]

For one environment and each shape, in turns so that a machine that becomes slower does so for all alike: a root is
rebuilt from its history, searched with 25 simulations, and a context of its size (float32, not compressed) and a result
of 1,000 bytes are fetched from an LMDB tier and from a Redis server that this script starts. Weights are random, the
engine is what `auto` chooses, PyTorch has one thread. Writes break_even.json and break_even.md: medians, and how many
times longer making takes than fetching.
"""

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kvzero
from kvzero.agent import open_engine
from kvzero.cache.tiers import Entry, Tier, TierConfig, open_tier
from kvzero.engines import Past
from kvzero.model import Network
from kvzero.records import EnvSpec
from kvzero.reports import machine_facts

SHAPES = (("cartpole", 8), ("cartpole", 16), ("cartpole", 256), ("atari", 8), ("atari", 64), ("atari", 256))
"""Preset, whose network it is, and tokens of its context."""
SPECS = {
    "cartpole": EnvSpec(observation_shape=(4,), num_actions=2),
    "atari": EnvSpec(observation_shape=(3, 64, 64), num_actions=6),
}
RESULT_BYTES = 1_000
NAMESPACE = bytes(32)
EVERYONE = np.arange(1)
Way = Callable[[], bool]
"""Does something once, and returns whether it was done: a server on a busy machine may be too slow to be waited for."""


class Shape:
    """One root, and the ways to have it."""

    def __init__(self, name: str, context_tokens: int) -> None:
        agent = kvzero.preset(name).agent
        model = replace(agent.model, context_tokens=context_tokens)
        agent = replace(agent, model=model, search=replace(agent.search, num_simulations=25).without_noise())
        torch.manual_seed(0)
        self.network = Network(model, SPECS[name])
        self.engine = open_engine(self.network, agent, num_envs=1)
        self.past = _past(SPECS[name], model.layout.history_steps)
        self.masks = np.ones((1, SPECS[name].num_actions), bool)
        self.context_bytes = model.layout.context_bytes(torch.float32)
        self.facts = {
            "preset": name,
            "embed_dim": model.embed_dim,
            "context_tokens": context_tokens,
            "engine": self.engine.name,
            "context_kilobytes": self.context_bytes / 1024,
        }

    def rebuild(self) -> bool:
        """Make the root from its history."""
        num_tokens = 2 * self.past.observations.shape[1] - 1
        self.engine.rebuild(EVERYONE, self.past, np.array([num_tokens]))
        return True

    def search(self) -> bool:
        """Search below it."""
        self.engine.search(EVERYONE, self.masks, rng=None)
        return True


def _past(spec: EnvSpec, num_steps: int) -> Past:
    rng = np.random.default_rng(0)
    shape = (1, num_steps, *spec.observation_shape)
    seen = (
        rng.integers(256, size=shape).astype(np.uint8) if spec.is_image else rng.normal(size=shape).astype(np.float32)
    )
    return Past(seen, rng.integers(spec.num_actions, size=(1, num_steps - 1)), np.ones((1, num_steps), bool))


@contextmanager
def redis_server() -> Iterator[str | None]:
    """Give the address of a server of our own; None where none is installed."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        words = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)  # noqa: S603  # our own server
        try:
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def fetching(tier: Tier, name: str, num_bytes: int) -> Way:
    """Keep so many bytes in a tier, and return what fetches them."""
    key = blake2b(f"{name} {num_bytes}".encode(), digest_size=32).digest()
    payload = np.random.default_rng(num_bytes).bytes(num_bytes)
    deadline = time.monotonic() + 60
    while tier.get_many(NAMESPACE, [key]) == [None]:  # until it answers, and has been written
        tier.set_many(NAMESPACE, {key: Entry(payload, "none", (num_bytes,))})
        time.sleep(0.1)
        if time.monotonic() > deadline:
            raise TimeoutError(f"{num_bytes:,} bytes never came to be in {list(tier.stats())}")

    return lambda: tier.get_many(NAMESPACE, [key]) != [None]


def measure(shape: Shape, tiers: dict[str, Tier], num_rounds: int) -> dict[str, Any]:
    """Return the medians of all ways, in milliseconds, over the rounds in which they were done."""
    ways: dict[str, Way] = {"rebuild": shape.rebuild, "search": shape.search}
    for name, tier in tiers.items():
        ways[f"{name}_context"] = fetching(tier, str(shape.facts), shape.context_bytes)
        ways[f"{name}_result"] = fetching(tier, str(shape.facts), RESULT_BYTES)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(num_rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            if way():
                times[name].append(1000 * (time.perf_counter() - started))
    medians = {f"{name}_ms": statistics.median(found[1:]) for name, found in times.items() if len(found) > 1}
    return shape.facts | medians


def write_table(rows: list[dict[str, Any]], names: list[str], path: Path) -> None:
    """Write the table of the guide."""
    titles = ["network", "E", "C", "KB", "rebuild ms", "search ms"]
    titles += [f"{name} context ms" for name in names] + [f"{name} result ms" for name in names]
    titles += [f"rebuild / {name}" for name in names] + [f"search / {name}" for name in names]
    lines = [f"| {' | '.join(titles)} |", f"|---|{'--:|' * (len(titles) - 1)}"]
    for row in rows:
        cells = [row["preset"], str(row["embed_dim"]), str(row["context_tokens"]), f"{row['context_kilobytes']:,.0f}"]
        cells += [_short(row["rebuild_ms"]), _short(row["search_ms"])]
        contexts, results = ([row.get(f"{name}_{what}_ms") for name in names] for what in ("context", "result"))
        cells += [_short(found) for found in (*contexts, *results)]
        cells += [_short(found and row["rebuild_ms"] / found) for found in contexts]
        cells += [_short(found and row["search_ms"] / found) for found in results]
        lines.append(f"| {' | '.join(cells)} |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def main() -> None:
    """Measure every shape and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    words = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, redis_server() as url:
        specs = {"LMDB": f"lmdb:{folder}/tier"} | ({} if url is None else {"Redis": url})
        tiers = {
            name: tier for name, spec in specs.items() if (tier := open_tier(TierConfig(tier=(spec,)))) is not None
        }
        for name, context_tokens in SHAPES:
            rows.append(measure(Shape(name, context_tokens), tiers, words.rounds))
            print(json.dumps(rows[-1]))
        for tier in tiers.values():
            with closing(tier):
                pass
    words.out.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine_facts(), "rounds": words.rounds, "shapes": rows}
    (words.out / "break_even.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    write_table(rows, list(tiers), words.out / "break_even.md")


if __name__ == "__main__":
    main()
