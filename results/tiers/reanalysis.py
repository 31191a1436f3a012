"""Where results of searches pay: time per update with reanalysis, and time to an agent's first action.

    python results/tiers/reanalysis.py [--contexts 8 256] [--turns 5] [--tier lmdb:FOLDER] [--out results/tiers]

The run is `atari-small` on Pong with R = 64. In each turn four copies of it make one block of updates: without results;
with exact ones, where nothing is found and all is written to the tier; with exact ones in the same tier, as a run that
is repeated from a checkpoint has them; and with results that may be 200 updates old, once all rows were searched. The
first three have the same bits in all that they learn, which is checked. Then an agent that knows the history of its
game but no root acts, by a search, and by what the tier knows; the digest of its weights, taken once, is told beside
it. Writes reanalysis.json: medians, and medians of the ratios within a turn, which hold on a loaded machine, too.
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kvzero
from kvzero.agent import Agent
from kvzero.cache import ResultCache, Tier, TierConfig, open_tier
from kvzero.replay import sample_ahead
from kvzero.reports import machine_facts
from kvzero.training import Reanalyser, keep_freed_memory
from kvzero.training.session.components import Components, build_components

NUM_ROWS, BLOCK_UPDATES = 64, 2
NUM_UPDATES = 1_000
"""How many updates networks are taken to have had, so that all rows are older."""
MAX_AGE_UPDATES = 200
EVERYONE = np.arange(1)


def configure(context_tokens: int) -> kvzero.RunConfig:
    """Return the run."""
    config = kvzero.preset("atari-small")
    model = replace(config.agent.model, context_tokens=context_tokens)
    reanalysis = kvzero.ReanalysisConfig(reanalysed_rows=NUM_ROWS)
    return replace(config, device="cpu", agent=replace(config.agent, model=model), reanalysis=reanalysis)


def build(config: kvzero.RunConfig, num_steps: int, results: ResultCache | None) -> Components:
    """Return a run that has collected some rows."""
    parts, _ = build_components(config)
    for _ in range(num_steps):
        parts.source.collector.step(1.0)
    parts.learner.num_updates = NUM_UPDATES
    reanalyser = Reanalyser(
        parts.learner,
        parts.replay,
        config.agent,
        num_rows=NUM_ROWS,
        seed_of=lambda num_updates: config.seed_for("reanalysis", num_updates),
        results=results,
    )
    reanalyser.served_updates = NUM_UPDATES
    return replace(parts, reanalyser=reanalyser)


def make_block(config: kvzero.RunConfig, parts: Components) -> float:
    """Make some updates as a run does; return milliseconds of one."""
    begun = time.perf_counter()
    if parts.reanalyser is not None:
        parts.reanalyser.serve(BLOCK_UPDATES, lambda: False)
    steps = parts.learner.segment_steps
    batches = sample_ahead(parts.replay, BLOCK_UPDATES, batch_size=config.learner.batch_size, num_steps=steps)
    with closing(batches):
        for segments in batches:
            parts.learner.update(segments)
    return 1000 * (time.perf_counter() - begun) / BLOCK_UPDATES


def search_all(config: kvzero.RunConfig, parts: Components) -> None:
    """Have all rows searched once, by blocks that are not counted."""
    for _ in range(-(-len(parts.replay) // (NUM_ROWS * BLOCK_UPDATES))):
        make_block(config, parts)


def measure_updates(config: kvzero.RunConfig, tier: Tier, num_steps: int, num_turns: int) -> dict[str, Any]:
    """Return what an update takes in each of the four runs."""
    caches = {
        "without": None,
        "exact, first": ResultCache(tier=tier),
        "exact, repeated": ResultCache(tier=tier),
        "recent": ResultCache(max_age_updates=MAX_AGE_UPDATES),
    }
    runs = {name: build(config, num_steps, cache) for name, cache in caches.items()}
    search_all(config, runs["recent"])
    runs["recent"].reanalyser.figures()  # which begin again
    turns = []
    for _ in range(num_turns + 1):
        turns.append([])
        for parts in runs.values():
            turns[-1].append(make_block(config, parts))
            wait_for(tier)
    digests = {runs[name].learner.network.digest for name in list(runs)[:3]}
    if len(digests) > 1:
        raise ValueError("exact results have changed what was learnt")
    found = {}
    for index, name in enumerate(caches):
        found[name] = {
            "update_ms": statistics.median(turn[index] for turn in turns[1:]),
            "ratio": statistics.median(turn[index] / turn[0] for turn in turns[1:]),
        }
        if runs[name].reanalyser is not None:
            figures = runs[name].reanalyser.figures()
            rows = figures["reanalysis/rows"], figures.get("reanalysis/reused_rows", 0.0)
            found[name]["reused_share"] = rows[1] / max(sum(rows), 1)
    for parts in runs.values():
        parts.source.envs.close()
    return found


def measure_first_action(config: kvzero.RunConfig, tier: Tier, num_turns: int) -> dict[str, Any]:
    """Return what the first action takes where a history is known and its root is not, by search and by the tier."""
    parts, _ = build_components(config)
    parts.source.envs.close()
    network, layout = parts.learner.network, config.agent.model.layout
    agents = [Agent(network, config.agent) for _ in range(2)]
    rng = np.random.default_rng(0)
    shape, blank = network.spec.observation_shape, np.zeros(1, np.int64)
    for place in range(layout.history_steps):
        seen = rng.integers(256, size=(1, *shape)).astype(np.uint8)
        for agent in agents:
            agent._planner.observe(EVERYONE, seen, actions=blank, starts=np.array([place == 0]))
            agent._starts[:] = False
    newest = rng.integers(256, size=shape).astype(np.uint8)
    times: list[list[float]] = []
    digests: list[float] = []
    for _ in range(num_turns + 1):
        times.append([])
        for agent, cache in zip(agents, (None, ResultCache(tier=tier)), strict=True):
            forget_newest(agent)
            network.mark_changed()  # the same weights, but all roots are stale
            begun = time.perf_counter()
            _ = network.digest
            digests.append(1000 * (time.perf_counter() - begun))
            begun = time.perf_counter()
            agent.act(newest, results=cache)
            times[-1].append(1000 * (time.perf_counter() - begun))
            wait_for(tier)
    search, known = (statistics.median(turn[index] for turn in times[1:]) for index in range(2))
    ratio = statistics.median(turn[1] / turn[0] for turn in times[1:])
    return {"search_ms": search, "known_ms": known, "ratio": ratio, "digest_ms": statistics.median(digests)}


def forget_newest(agent: Agent) -> None:
    """Take back the newest observation, so that the same one is the first of each turn."""
    history = agent._planner._history
    history._counts[:] = agent._planner._network.config.layout.history_steps
    agent._actions[:] = 0


def wait_for(tier: Tier) -> None:
    """Let the tier write what is waiting, so that this is not part of what comes next."""
    before = -1
    while (now := sum(stats.written + stats.known for stats in tier.stats().values())) != before:
        before = now
        time.sleep(0.05)


def main() -> None:
    """Measure both and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contexts", type=int, nargs="+", default=[8, 256])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=48, help="steps that each of 8 environments collects first")
    parser.add_argument("--tier", help="where results are kept; LMDB in a folder that goes away if not given")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    words = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    rows = []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        spec = words.tier or f"lmdb:{folder}/tier"
        tier = open_tier(TierConfig(tier=(spec,)))
        if tier is None:
            raise SystemExit(f"{spec} cannot be used")
        with closing(tier):
            for context_tokens in words.contexts:
                config = configure(context_tokens)
                updates = measure_updates(config, tier, words.steps, words.turns)
                first = measure_first_action(config, tier, words.turns)
                rows.append({"context_tokens": context_tokens, "updates": updates, "first_action": first})
                print(json.dumps(rows[-1]))
    found = {"machine": machine_facts(), "tier": spec.partition(":")[0], "turns": words.turns, "contexts": rows}
    (words.out / "reanalysis.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
