"""Digests of short runs and of search trees, by which a change of structure shows that it changed no bit.

    python results/digests/digests.py --out before.json     # on the version before
    python results/digests/digests.py --against before.json # on the version after, on the same machine

Floating-point results differ between processors and library builds, so digests are compared on one machine only.
"""

import argparse
import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

import kvzero
from kvzero.agent import Planner
from kvzero.records import EnvSpec

LEFT_OUT = ("seconds", "rss_bytes", "per_second", "speedup_bound", "store_bytes")
"""Parts of the names of figures that differ from run to run, or that older versions do not tell."""

ROW_FIELDS = ("observations", "actions", "rewards", "policies", "kinds", "action_sets")

SPECS = {
    "vector": EnvSpec(observation_shape=(5,), num_actions=3),
    "image": EnvSpec(observation_shape=(3, 17, 20), num_actions=4),
    "continuous": EnvSpec(observation_shape=(5,), action_dim=3),
}

SIZES = {"embed_dim": 32, "num_layers": 2, "num_heads": 4, "context_tokens": 6, "support_size": 21}
SMALL_POOLS = kvzero.CacheConfig(init_pool_size=1, recur_pool_size=3, eviction="lru")

SEARCHES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "native/tree": ({"engine": "native"}, {}),
    "native/tree/bfloat16": ({"engine": "native", "search_dtype": "bfloat16"}, {}),
    "eager/tree": ({"engine": "eager"}, {}),
    "eager/pooled": ({"engine": "eager", "store": "pooled"}, {}),
    "eager/pooled/small": ({"engine": "eager", "store": "pooled", "cache": SMALL_POOLS}, {}),
    "eager/legacy": ({"engine": "eager", "store": "legacy"}, {}),
    "eager/pooled/rebuild": ({"engine": "eager", "store": "pooled"}, {"positions": "learned"}),
    "eager/legacy/shift": ({"engine": "eager", "store": "legacy"}, {"positions": "learned", "window": "shift"}),
    "device/tree": ({"engine": "device"}, {}),
    "device/tree/one_pass": ({"engine": "device", "one_pass": True}, {}),
}
"""Settings of agent and model for every engine and store."""


def digest(parts: Iterable[bytes]) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]


def arrays_in(arrays: Iterable[np.ndarray]) -> Iterator[bytes]:
    """Yield types, shapes and contents."""
    for array in arrays:
        yield f"{array.dtype}{array.shape}".encode()
        yield np.ascontiguousarray(array).tobytes()


def random_network(model: kvzero.ModelConfig, spec: EnvSpec) -> kvzero.Network:
    """Return a network without zeros, which would hide differences."""
    torch.manual_seed(7)
    network = kvzero.Network(model, spec)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn_like(weights) * 0.15)
    return network


def search_trees(spec: EnvSpec, agent: dict[str, object], model: dict[str, object]) -> str:
    """Return a digest of the trees of a life with resets, subsets of environments and changes of the weights."""
    rng, num_envs = np.random.default_rng(3), 3
    config = kvzero.AgentConfig(
        model=kvzero.ModelConfig(**SIZES, encoder_channels=16, **model),
        search=kvzero.SearchConfig(num_simulations=9),
        **agent,
    )
    network = random_network(config.model, spec)
    planner = Planner(network, config, num_envs=num_envs)
    actions, begun, found = spec.blank_actions(num_envs), np.zeros(num_envs, bool), []
    for step in range(24):
        envs = rng.permutation(num_envs)[: int(rng.integers(1, num_envs + 1))]
        shape = (len(envs), *spec.observation_shape)
        shown = rng.integers(256, size=shape, dtype=np.uint8) if spec.is_image else rng.normal(size=shape)
        starts = ~begun[envs] | (rng.random(len(envs)) < 0.08)
        if step % 7 == 6:
            with torch.no_grad():
                for weights in network.parameters():
                    weights.mul_(1.01)
        shown = shown if spec.is_image else shown.astype(np.float32)
        planner.observe(envs, shown, actions=actions[envs], starts=starts)
        begun[envs] = True
        masks = np.ones((len(envs), spec.num_actions), bool)
        if spec.num_actions and step % 4 == 1:
            masks[0, 0] = False
        outcome = planner.plan(envs, masks, rng=rng if step % 3 else None)
        found += [*outcome.tree, outcome.visit_counts, outcome.values, outcome.action_values]
        found += [] if outcome.action_sets is None else [outcome.action_sets]
        if spec.is_continuous:
            actions[envs] = rng.uniform(-1, 1, (len(envs), spec.action_dim))
        else:
            actions[envs] = rng.integers(spec.num_actions, size=len(envs))
    return digest(arrays_in(found))


def tree_digests() -> Iterator[tuple[str, str]]:
    """Yield the digest of each kind of environment in each engine and store."""
    for kind, spec in SPECS.items():
        for name, (agent, model) in SEARCHES.items():
            if not (spec.is_continuous and agent["engine"] == "device"):
                yield f"trees/{kind}/{name}", search_trees(spec, agent, model)


def image_run() -> kvzero.RunConfig:
    """Return what `atari-small` was when these digests were first taken: colour images, read by the ResNet."""
    base = kvzero.preset("atari")
    sizes = {"embed_dim": 128, "num_heads": 4, "support_size": 101, "encoder_channels": 32}
    model = replace(base.agent.model, normalize_observations=False, **sizes)
    return replace(
        base,
        agent=replace(base.agent, model=model),
        replay=kvzero.ReplayConfig(replay_capacity=50_000),
        learner=replace(base.learner, unroll_steps=5, learning_rate=5e-4, ema_rate=0.02),
        schedule=replace(base.schedule, replay_ratio=0.125),
    )


def run_configs() -> dict[str, kvzero.RunConfig]:
    """Return three short runs: vectors, images, continuous actions."""
    runs = {"vector": kvzero.RunConfig(preset="cartpole"), "image": image_run()}
    runs["continuous"] = kvzero.preset("pendulum")
    steps = {"vector": 1_200, "image": 320, "continuous": 900}
    for name, run in runs.items():
        schedule = replace(
            run.schedule,
            total_env_steps=steps[name],
            learning_starts=160,
            round_env_steps=64,
            eval_every=steps[name] // 2,
            eval_episodes=2,
            final_eval_episodes=2,
            max_eval_steps=60,
            checkpoint_every=10_000,
            log_every=64,
        )
        learner = replace(run.learner, batch_size=8, arithmetic="plain")
        agent = replace(run.agent, search=replace(run.agent.search, num_simulations=6), num_eval_simulations=4)
        runs[name] = replace(run, device="cpu", num_threads=1, schedule=schedule, learner=learner, agent=agent)
    return runs


def run_digests(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the digests of what each run leaves, when it ends and when it was resumed and ends again."""
    for name, config in run_configs().items():
        run = folder / name
        finished = kvzero.train(replace(config, runs_dir=str(folder), run_name=name))
        yield from _digests_of(f"runs/{name}", run, finished)
        longer = config.schedule.total_env_steps + 128
        yield from _digests_of(f"runs/{name}/resumed", run, kvzero.resume(run, total_env_steps=longer))


def _digests_of(name: str, run: Path, finished: object) -> Iterator[tuple[str, str]]:
    checkpoint = max((run / "checkpoints").glob("step_*"))
    for part in ("weights", "target", "optimizer"):
        yield f"{name}/{part}", _file_digest(load_file(checkpoint / f"{part}.safetensors"))
    rows = load_file(checkpoint / "replay.safetensors")
    yield f"{name}/replay", _file_digest({key: rows[key] for key in rows if key.split(".")[0] in ROW_FIELDS})
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    kept = [{key: line[key] for key in sorted(line) if not any(part in key for part in LEFT_OUT)} for line in lines]
    yield f"{name}/metrics", digest([json.dumps(kept).encode()])
    yield f"{name}/returns", digest([repr(finished.summary.eval_returns).encode()])


def _file_digest(arrays: dict[str, np.ndarray]) -> str:
    return digest(part for key in sorted(arrays) for part in (key.encode(), *arrays_in([arrays[key]])))


def main() -> int:
    """Record digests, or compare them with those of another version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the digests here")
    parser.add_argument("--against", type=Path, help="compare with the digests in this file")
    parser.add_argument("--only", default="", help="prefix of the digests to take, such as trees/vector")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    if not args.only.startswith("runs"):
        found |= {name: value for name, value in tree_digests() if name.startswith(args.only)}
    if not args.only.startswith("trees"):
        with tempfile.TemporaryDirectory() as folder:
            found |= dict(run_digests(Path(folder)))
    if args.out:
        record = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__, "digests": found}
        args.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if args.against:
        before = json.loads(args.against.read_text(encoding="utf-8"))["digests"]
        wanted = {name for name in before if name.startswith(args.only)}
        changed = sorted(name for name in wanted | found.keys() if before.get(name) != found.get(name))
        print(f"{len(wanted) - len(changed)} of {len(wanted)} digests are the same")
        for name in changed:
            print(f"changed: {name}")
        return int(bool(changed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
